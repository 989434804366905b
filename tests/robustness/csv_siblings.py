"""What the public benchmark leaves out: other damage to cells, to rows and to whole files.

Some cells of the clean table hold line ends. Where a person cannot tell what a damaged cell was
meant to be, each meaning is right: see `ambiguous`.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.robustness.clean_table import HEADER, Sheet, orders, quoted, sheet
from tests.robustness.verdict import Polluted, Row, Truth

ROWS = orders(24, newlines=True)
CLEAN = sheet(ROWS)
TRUTH = Truth.of(HEADER, ROWS)
WIDTH = len(HEADER)
_LITERALLY = "a stray quote may be a part of the text, or a mistake"
_BLANKS = "blanks beside a quote may belong to the cell, as in RFC 4180, or not"

Forms = tuple[str, ...]
Damage = Callable[[str, str], tuple[str, Forms]]
"""From a value and its raw cell: the damaged raw cell, and the values that are right."""


def siblings() -> Iterator[Polluted]:
    """Return all files."""
    for row in range(1, len(ROWS) + 1):
        for column in range(WIDTH):
            yield from _damaged_cells(row, column)
        yield from _damaged_rows(row)
        yield from _inserted_lines(row)
    yield from _cut_short()


def _damaged_cells(row: int, column: int) -> Iterator[Polluted]:
    values, raw = ROWS[row - 1], CLEAN.cells[row][column]
    for damage, ambiguous in _DAMAGES.items():
        polluted, forms = damage(values[column], raw)
        rows = tuple((*values[:column], form, *values[column + 1 :]) for form in forms)
        yield Polluted(
            f"{damage.__name__.strip('_')}_row{row}_col{column}",
            CLEAN.with_cell(row, column, polluted).body,
            _with_forms(row, rows),
            ambiguous,
        )


def _with_forms(row: int, forms: tuple[Row, ...]) -> Truth:
    rows = TRUTH.rows
    return replace(TRUTH, rows=(*rows[: row - 1], forms, *rows[row:]))


def _quote_at_the_end(value: str, raw: str) -> tuple[str, Forms]:
    return f'{raw}"', (f'{value}"', value)


def _quote_in_the_middle(value: str, raw: str) -> tuple[str, Forms]:
    half = len(raw) // 2
    return f'{raw[:half]}"{raw[half:]}', (f'{value[:half]}"{value[half:]}',)


def _no_closing_quote(value: str, raw: str) -> tuple[str, Forms]:
    return (raw[:-1] if raw.startswith('"') else f'"{raw}'), (value,)


def _no_opening_quote(value: str, raw: str) -> tuple[str, Forms]:
    return (raw[1:] if raw.startswith('"') else f'{raw}"'), (value, f'{value}"')


def _backslash_quote(value: str, raw: str) -> tuple[str, Forms]:
    half = len(raw) // 2
    cell = f'{raw[:half]}\\"{raw[half:]}'
    if raw.startswith('"'):
        return quoted(f'{value[:half]}"{value[half:]}', escape="\\"), (
            f'{value[:half]}"{value[half:]}',
        )
    return cell, (cell, cell.replace("\\", ""))


def _blank_after_the_quote(value: str, raw: str) -> tuple[str, Forms]:
    return f"{raw} ", (value, f"{value} ", f"{raw} ")


def _blank_before_the_quote(value: str, raw: str) -> tuple[str, Forms]:
    return f" {raw}", (value, f" {value}", f" {raw}")


def _strange_but_text(value: str, _: str) -> tuple[str, Forms]:
    strange = f"{value}\u2028\x0b\x0c\x85\u00a0\ufeff'\u00b4\u201c"
    return quoted(strange), (strange,)


def _nul(value: str, _: str) -> tuple[str, Forms]:
    return quoted(f"{value}\0"), (f"{value}\0",)


_DAMAGES: dict[Damage, str] = {
    _quote_at_the_end: _LITERALLY,
    _quote_in_the_middle: "",
    _no_closing_quote: "",
    _no_opening_quote: _LITERALLY,
    _backslash_quote: _LITERALLY,
    _blank_after_the_quote: _BLANKS,
    _blank_before_the_quote: _BLANKS,
    _strange_but_text: "",
    _nul: "",
}


def _damaged_rows(row: int) -> Iterator[Polluted]:
    raw, values = CLEAN.cells[row], ROWS[row - 1]
    whole = (values,)
    damages: dict[str, tuple[Sheet, tuple[Row, ...]]] = {
        "row_semicolons": (CLEAN.with_delimiter(row, ";"), ()),
        "row_tabs": (CLEAN.with_delimiter(row, "\t"), ()),
        "row_comma_and_blank": (CLEAN.with_delimiter(row, ", "), whole),
        "row_two_delimiters": (CLEAN.with_delimiter(row, ",,"), ()),
        "row_ends_in_cr": (CLEAN.with_end(row, "\r"), whole),
        "row_ends_in_crlf": (CLEAN.with_end(row, "\r\n"), whole),
        "row_ends_in_cr_crlf": (CLEAN.with_end(row, "\r\r\n"), whole),
        "row_trailing_delimiter": (CLEAN.with_row(row, [*raw, ""]), whole),
        "row_cut_short": (CLEAN.with_row(row, raw[:5]), ()),
        "row_one_cell_more": (CLEAN.with_row(row, [*raw, "more"]), ()),
        "row_within_quotes": (CLEAN.with_row(row, [quoted(",".join(raw))]), whole),
        "row_unquoted": (CLEAN.with_row(row, values), whole),
    }
    for name, (written, forms) in damages.items():
        yield Polluted(f"{name}_{row}", written.body, _with_forms(row, forms))
    if row < len(ROWS):
        rows = (*TRUTH.rows[: row - 1], (), *TRUTH.rows[row + 1 :])
        joined = CLEAN.with_end(row, "").body
        yield Polluted(f"row_without_an_end_{row}", joined, replace(TRUTH, rows=rows))


def _inserted_lines(row: int) -> Iterator[Polluted]:
    header = ",".join(CLEAN.cells[0])
    lines = {
        "empty_line": "",
        "line_of_blanks": "   ",
        "line_of_delimiters": "," * (WIDTH - 1),
        "line_of_empty_quotes": ",".join(['""'] * WIDTH),
        "comment": "# a comment, and more",
        "header_again": header,
        "header_again_after_a_bom": f"\ufeff{header}",
        "header_again_all_quoted": ",".join(map(quoted, HEADER)),
        "note": "Source: the shop",
        "row_count": "(24 rows affected)",
    }
    for name, line in lines.items():
        written = CLEAN.with_end(row, f"\n{line}\n")
        yield Polluted(f"{name}_after_row{row}", written.body, TRUTH)
    invalid = CLEAN.with_cell(row, 5, "caf\ue000").body.replace("\ue000".encode(), b"\xe9")
    yield Polluted(f"invalid_utf8_row{row}", invalid, _with_forms(row, ()))


def _cut_short() -> Iterator[Polluted]:
    """The file ends early, in its last row; an end within the last cell cannot be seen."""
    before = len(sheet(ROWS[:-1]).body)
    for end in range(before + 1, len(CLEAN.body)):
        is_whole = CLEAN.body[before:end].decode() == ",".join(CLEAN.cells[-1])
        rows = (*TRUTH.rows[:-1], (ROWS[-1],) if is_whole else ())
        yield Polluted(f"cut_short_{end - before}", CLEAN.body[:end], replace(TRUTH, rows=rows))
