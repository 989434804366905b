"""The pollutions of a public benchmark: 2,290 files, made from one clean table.

Pollock (Hasso Plattner Institute, VLDB 2023) changes one thing a file: its structure, the count of
delimiters in one row, one quote, one delimiter. The kinds and counts are Pollock's, the table and
the code are ours. A row with a quote too many holds that quote, as Pollock has it.
"""

from collections.abc import Iterator
from dataclasses import replace

from tests.robustness.clean_table import HEADER, Sheet, orders, quoted, raw, sheet
from tests.robustness.verdict import Polluted, Row, Truth

ROWS = orders()
CLEAN = sheet(ROWS)
TRUTH = Truth.of(HEADER, ROWS)
WIDTH = len(HEADER)


def pollock() -> Iterator[Polluted]:
    """Return all 2,290 files."""
    yield Polluted("source", CLEAN.body, TRUTH)
    yield from _file_structure()
    yield from _characters()
    for row in range(len(ROWS) + 1):
        for column in range(1, WIDTH):
            yield _row_less_sep(row, column)
        for column in range(WIDTH):
            yield _row_more_sep(row, column)
            yield _row_extra_quote(row, column)
        space = CLEAN.with_delimiter(row, " ")
        yield Polluted(f"row_field_delimiter_{row}_0x20", space.body, without(row))


def without(row: int, *forms: Row) -> Truth:
    """Return the truth where a row (0: the header) may be accepted in these forms only."""
    if row == 0:
        return replace(TRUTH, headers=forms)
    rows = TRUTH.rows
    return replace(TRUTH, rows=(*rows[: row - 1], forms, *rows[row:]))


def _file_structure() -> Iterator[Polluted]:
    clean = CLEAN.body
    head, _, data = clean.partition(b"\n")
    yield Polluted("file_no_payload", b"", TRUTH)
    yield Polluted("file_no_trailing_newline", clean[:-1], TRUTH)
    yield Polluted("file_double_trailing_newline", clean + b"\n", TRUTH)
    yield Polluted("file_no_header", data, TRUTH)
    for count in (2, 3):
        joined = tuple(" ".join([name] * count) for name in HEADER)
        truth = replace(TRUTH, headers=(HEADER, joined))
        yield Polluted(f"file_header_multirow_{count}", (head + b"\n") * count + data, truth)
    yield Polluted("file_preamble", b"PREAMBLE,,,,,,,,\n,,,,,,,,\n" + clean, TRUTH)
    yield from _two_tables()
    yield Polluted("file_header_only", head + b"\n", Truth.of(HEADER, []))
    yield Polluted("file_one_data_row", sheet(ROWS[:1]).body, Truth.of(HEADER, ROWS[:1]))


def _two_tables() -> Iterator[Polluted]:
    """Another table follows, after a row of empty cells: its rows are no rows of the first."""
    for name, width in (("less", WIDTH - 1), ("more", WIDTH + 1), ("same", WIDTH)):
        header = tuple(f"other {column}" for column in range(width))
        rows = [tuple(f"{row}-{column}" for column in range(width)) for row in range(10)]
        second = sheet(rows, header=header).body
        body = CLEAN.body + b"," * (WIDTH - 1) + b"\n" + second
        yield Polluted(f"file_multitable_{name}", body, TRUTH)


def _characters() -> Iterator[Polluted]:
    """The whole file has other delimiters, quotes, escapes or record ends."""
    for delimiter in (" ", ", ", ";", "\t"):
        written = replace(CLEAN, delimiters=(delimiter,) * len(CLEAN.cells))
        if delimiter in ";\t":
            written = sheet(ROWS, delimiter=delimiter)
        yield Polluted(f"file_field_delimiter_{_code(delimiter)}", written.body, TRUTH)
    yield Polluted("file_quotation_char_0x27", sheet(ROWS, quote="'").body, TRUTH)
    for name, escape in (("0x5C", "\\"), ("0x00", "")):
        yield Polluted(f"file_escape_char_{name}", sheet(ROWS, escape=escape).body, TRUTH)
    for end in ("\r\n", "\r"):
        yield Polluted(f"file_record_delimiter_{_code(end)}", sheet(ROWS, end=end).body, TRUTH)


def _code(characters: str) -> str:
    return "_".join(f"0x{ord(character):X}" for character in characters)


def _row_less_sep(row: int, column: int) -> Polluted:
    """Return a file where a delimiter is missing before one cell."""
    cells = list(CLEAN.cells[row])
    cells[column - 1 : column + 1] = ["".join(cells[column - 1 : column + 1])]
    written = CLEAN.with_row(row, cells)
    return Polluted(f"row_less_sep_row{row}_col{column}", written.body, without(row))


def _row_more_sep(row: int, column: int) -> Polluted:
    """Return a file with one delimiter more, before one cell.

    Before an empty last cell it is also a trailing delimiter, and then no cell is lost without it.
    """
    cells = list(CLEAN.cells[row])
    cells.insert(column, "")
    values = (HEADER, *ROWS)[row]
    forms = [values] if column == WIDTH - 1 and not values[-1] else []
    written = CLEAN.with_row(row, cells)
    return Polluted(f"row_more_sep_row{row}_col{column}", written.body, without(row, *forms))


def _row_extra_quote(row: int, column: int) -> Polluted:
    """Return a file where a cell begins with a quote that is not escaped."""
    values = list((HEADER, *ROWS)[row])
    values[column] = f'"{values[column]}'
    cell = CLEAN.cells[row][column]
    polluted = f'"{cell}' if not cell.startswith('"') else f'""{cell[1:]}'
    written = CLEAN.with_cell(row, column, polluted)
    truth = without(row, tuple(values))
    return Polluted(f"row_extra_quote{row}_col{column}", written.body, truth)


__all__ = ["CLEAN", "ROWS", "TRUTH", "Sheet", "pollock", "quoted", "raw", "without"]
