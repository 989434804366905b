"""The pollutions of a public benchmark: 2,290 files, made from one clean table.

Pollock (Hasso Plattner Institute, VLDB 2023) changes one thing a file: its structure, the count of
delimiters in one row, one quote, one delimiter. The kinds and counts are Pollock's, the table and
the code are ours. A row with a quote too many holds that quote, as Pollock has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from tests.robustness.clean_table import HEADER, Sheet, numbers, orders, sheet
from tests.robustness.verdict import Polluted, Row, Truth


@dataclass(frozen=True)
class Clean:
    """The table that is polluted."""

    header: Row
    rows: tuple[Row, ...]

    @property
    def width(self) -> int:
        """The count of columns."""
        return len(self.header)

    @cached_property
    def truth(self) -> Truth:
        """The truth about a file that holds the whole table."""
        return Truth.of(self.header, self.rows)

    @cached_property
    def sheet(self) -> Sheet:
        """The table as a well-formed file."""
        return self.written()

    def written(self, **dialect: str) -> Sheet:
        """Return the table in another dialect."""
        return sheet(self.rows, header=self.header, **dialect)

    def without(self, row: int, *forms: Row) -> Truth:
        """Return the truth where a row (0: the header) may be accepted in these forms only."""
        if row == 0:
            return replace(self.truth, headers=forms)
        rows = self.truth.rows
        return replace(self.truth, rows=(*rows[: row - 1], forms, *rows[row:]))


def pollock() -> Iterator[Polluted]:
    """Return all 2,290 files."""
    yield from _polluted(Clean(HEADER, orders()))


def pollock_numbers() -> Iterator[Polluted]:
    """Return the same pollutions of a table of numbers, which no text makes remarkable."""
    names = ("length", "width", "height", "weight")
    yield from _polluted(Clean(names, numbers(40, len(names))))


def _polluted(clean: Clean) -> Iterator[Polluted]:
    yield Polluted("source", clean.sheet.body, clean.truth)
    yield from _file_structure(clean)
    yield from _characters(clean)
    for row in range(len(clean.rows) + 1):
        for column in range(1, clean.width):
            yield _row_less_sep(clean, row, column)
        for column in range(clean.width):
            yield _row_more_sep(clean, row, column)
            yield _row_extra_quote(clean, row, column)
        space = clean.sheet.with_delimiter(row, " ")
        yield Polluted(f"row_field_delimiter_{row}_0x20", space.body, clean.without(row))


def _file_structure(clean: Clean) -> Iterator[Polluted]:
    body, truth = clean.sheet.body, clean.truth
    head, _, data = body.partition(b"\n")
    commas = b"," * (clean.width - 1)
    yield Polluted("file_no_payload", b"", truth)
    yield Polluted("file_no_trailing_newline", body[:-1], truth)
    yield Polluted("file_double_trailing_newline", body + b"\n", truth)
    yield Polluted("file_no_header", data, truth)
    for count in (2, 3):
        joined = tuple(" ".join([name] * count) for name in clean.header)
        either = replace(truth, headers=(clean.header, joined))
        yield Polluted(f"file_header_multirow_{count}", (head + b"\n") * count + data, either)
    yield Polluted("file_preamble", b"PREAMBLE" + commas + b"\n" + commas + b"\n" + body, truth)
    yield from _two_tables(clean)
    yield Polluted("file_header_only", head + b"\n", Truth.of(clean.header, []))
    one = Clean(clean.header, clean.rows[:1])
    yield Polluted("file_one_data_row", one.sheet.body, one.truth)


def _two_tables(clean: Clean) -> Iterator[Polluted]:
    """Another table follows, after a row of empty cells: its rows are no rows of the first."""
    for name, width in (
        ("less", clean.width - 1),
        ("more", clean.width + 1),
        ("same", clean.width),
    ):
        header = tuple(f"other {column}" for column in range(width))
        second = Clean(header, numbers(10, width)).sheet.body
        body = clean.sheet.body + b"," * (clean.width - 1) + b"\n" + second
        yield Polluted(f"file_multitable_{name}", body, clean.truth)


def _characters(clean: Clean) -> Iterator[Polluted]:
    """The whole file has other delimiters, quotes, escapes or record ends."""
    for delimiter in (" ", ", "):
        written = replace(clean.sheet, delimiters=(delimiter,) * len(clean.sheet.cells))
        yield Polluted(f"file_field_delimiter_{_code(delimiter)}", written.body, clean.truth)
    others = [
        ("file_field_delimiter_0x3B", {"delimiter": ";"}),
        ("file_field_delimiter_0x9", {"delimiter": "\t"}),
        ("file_quotation_char_0x27", {"quote": "'", "escape": "'"}),
        ("file_escape_char_0x5C", {"escape": "\\"}),
        ("file_escape_char_0x00", {"escape": ""}),
        ("file_record_delimiter_0xD_0xA", {"end": "\r\n"}),
        ("file_record_delimiter_0xD", {"end": "\r"}),
    ]
    for name, dialect in others:
        yield Polluted(name, clean.written(**dialect).body, clean.truth)


def _code(characters: str) -> str:
    return "_".join(f"0x{ord(character):X}" for character in characters)


def _row_less_sep(clean: Clean, row: int, column: int) -> Polluted:
    """Return a file where a delimiter is missing before one cell."""
    cells = list(clean.sheet.cells[row])
    cells[column - 1 : column + 1] = ["".join(cells[column - 1 : column + 1])]
    body = clean.sheet.with_row(row, cells).body
    return Polluted(f"row_less_sep_row{row}_col{column}", body, clean.without(row))


def _row_more_sep(clean: Clean, row: int, column: int) -> Polluted:
    """Return a file with one delimiter more, before one cell.

    Before an empty last cell it is also a trailing delimiter, and then no cell is lost without it.
    """
    cells = list(clean.sheet.cells[row])
    cells.insert(column, "")
    values = (clean.header, *clean.rows)[row]
    is_trailing = column == clean.width - 1 and not values[-1]
    truth = clean.without(row, *([values] if is_trailing else []))
    body = clean.sheet.with_row(row, cells).body
    return Polluted(f"row_more_sep_row{row}_col{column}", body, truth)


def _row_extra_quote(clean: Clean, row: int, column: int) -> Polluted:
    """Return a file where a cell begins with a quote that is not escaped."""
    values = list((clean.header, *clean.rows)[row])
    values[column] = f'"{values[column]}'
    cell = clean.sheet.cells[row][column]
    polluted = f'"{cell}' if not cell.startswith('"') else f'""{cell[1:]}'
    body = clean.sheet.with_cell(row, column, polluted).body
    return Polluted(f"row_extra_quote{row}_col{column}", body, clean.without(row, tuple(values)))
