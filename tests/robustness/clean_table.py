"""The clean file that is polluted: a shop's orders, with dates, numbers, text and quoted cells."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.robustness.verdict import Row

HEADER = ("DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductType", "Description", "URL", "Note")
ROWS = 83  # with the header 84, as in the public benchmark
ALWAYS_QUOTED = (6, 7)
_KINDS = ("Boots", "Trail Shoes", "Rain Jacket", "Wool Hat", "Dining Table", "Mocs", "Tee", "Cap")
_WHOM = ("Men's", "Women's", "Kids'", "Dog")
_AFTER = ("", "", ", Short-Sleeve", ", Plaid", ', 10"', ", Two-Pack")
_SAID = (
    "made for cold, wet weather",
    "a fly rod of 8'9\" length",
    "soft and warm",
    "light enough, and rugged",
    "won't let you down",
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file before it is written: raw cells, the delimiter, and the end of each row."""

    cells: tuple[Row, ...]
    delimiters: tuple[str, ...]
    ends: tuple[str, ...]

    @property
    def body(self) -> bytes:
        """The file."""
        rows = zip(self.cells, self.delimiters, self.ends, strict=True)
        return "".join(f"{delimiter.join(row)}{end}" for row, delimiter, end in rows).encode()

    def with_cell(self, row: int, column: int, raw: str) -> "Sheet":
        """Return the sheet with another raw cell."""
        cells = list(self.cells[row])
        cells[column] = raw
        return self.with_row(row, cells)

    def with_row(self, row: int, cells: Sequence[str]) -> "Sheet":
        """Return the sheet with other raw cells in a row."""
        return replace(self, cells=(*self.cells[:row], tuple(cells), *self.cells[row + 1 :]))

    def with_delimiter(self, row: int, delimiter: str) -> "Sheet":
        """Return the sheet with another delimiter in a row."""
        changed = (*self.delimiters[:row], delimiter, *self.delimiters[row + 1 :])
        return replace(self, delimiters=changed)

    def with_end(self, row: int, end: str) -> "Sheet":
        """Return the sheet with another end of a row."""
        return replace(self, ends=(*self.ends[:row], end, *self.ends[row + 1 :]))


def orders(rows: int = ROWS, *, newlines: bool = False) -> tuple[Row, ...]:
    """Return the rows of the clean table, without the header; `newlines`: also within cells."""
    return tuple(_orders(random.Random(7), rows, newlines))  # noqa: S311 - an example


def _orders(draw: random.Random, rows: int, newlines: bool) -> Iterator[Row]:
    for number in range(rows):
        code = f"{draw.choice(['MG', 'RI', 'YY'])}-{draw.randint(1000, 9999)}"
        said = f"These {draw.choice(_KINDS)} are {draw.choice(_SAID)}, {draw.choice(_SAID)}."
        if newlines and number % 5 == 2:
            said = said.replace(" are ", "\nare\r\n")
        yield (
            f"{draw.randint(1, 28):02}/{number % 12 + 1:02}/2018",
            f"{number // 4 % 24:02}:{number % 4 * 15:02}",
            str(draw.randint(0, 30)),
            code,
            f"${draw.randint(50, 9999) / 100}",
            f"{draw.choice(_WHOM)} {draw.choice(_KINDS)}{draw.choice(_AFTER)}",
            said if draw.random() < 0.8 else said.replace(",", ""),
            f"https://www.example.com/product/{code.replace('-', '_')}.html",
            "",
        )


def numbers(rows: int, width: int) -> tuple[Row, ...]:
    """Return rows of decimal numbers."""
    draw = random.Random(8)  # noqa: S311 - an example
    return tuple(tuple(f"{draw.uniform(1, 9):.2f}" for _ in range(width)) for _ in range(rows))


def quoted(cell: str, quote: str = '"', escape: str = '"') -> str:
    """Return a raw cell within quotes."""
    return f"{quote}{cell.replace(quote, escape + quote)}{quote}"


def raw(cell: str, column: int, delimiter: str = ",", quote: str = '"', escape: str = '"') -> str:
    """Return a cell as it stands in the file: within quotes where needed, and in two columns."""
    special = any(mark in cell for mark in (delimiter, quote, "\r", "\n"))
    if special or column in ALWAYS_QUOTED:
        return quoted(cell, quote, escape)
    return cell


def sheet(
    rows: Sequence[Row],
    *,
    header: Row = HEADER,
    delimiter: str = ",",
    quote: str = '"',
    escape: str = '"',
    end: str = "\n",
) -> Sheet:
    """Return a well-formed sheet of the header and these rows."""
    cells = tuple(
        tuple(raw(cell, column, delimiter, quote, escape) for column, cell in enumerate(row))
        for row in (header, *rows)
    )
    return Sheet(cells, (delimiter,) * len(cells), (end,) * len(cells))
