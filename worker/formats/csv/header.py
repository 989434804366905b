"""Reads the header of a CSV, and says why a first line is none."""

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from worker.errors import Unparsable
from worker.formats.csv.blocks import Block
from worker.formats.csv.dialect import DELIMITERS, Dialect, count_line_ends, with_doubled_quotes
from worker.formats.csv.values import kind_of
from worker.formats.text import MAX_ROW_BYTES
from worker.quoting import message_of, quote_value

_BLANK_LINES = re.compile(rb"(?:[ \t]*[\r\n])*")
_SEPARATOR = re.compile(r'"?sep=(?P<delimiter>[^\w\s"\']|\t|\\t)"?[ ,;\t]*', re.IGNORECASE)
# How much of the data is compared with a header that is not clearly one.
_SAMPLE_BYTES = 2**20
_SAMPLE_ROWS = 10
_SHOWN_CELLS = 5
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Header:
    """The column names of a CSV, and what was read with them."""

    names: tuple[str, ...]
    dialect: Dialect
    offset: int
    """Where the data begins in the text."""
    line: int
    """The line on which the data begins."""
    rest: bytes
    """The beginning of the data, which was read with the header."""
    width: int
    """How many cells a row has: more than the names if each row ends with delimiters."""
    text: bytes | None
    """The header as it stands in the file; None: the file has none."""
    first: tuple[str, ...] = ()
    """The cells of the first row, if the file has no header."""
    doubt: str | None = None
    """Why the first line is probably data; None: it is not."""
    unnamed: str | None = None
    """Which column has data and no name; None: no column. The first needs none."""


def read_header(pieces: Iterator[bytes], dialect: Dialect, *, has_header: bool = True) -> Header:
    """Read the header of a CSV in UTF-8, and hardly more of the text than that takes.

    If the dialect's delimiter is empty, the most frequent candidate in the header is taken. Without
    a header the names are 0, 1, 2 ..., as many as the first row has cells. Raises Unparsable.
    """
    head = _Head(pieces)
    text, dialect = _first_row(head, dialect)
    cells = _cells(text, dialect)
    if not has_header:
        names = tuple(map(str, range(len(cells))))
        return Header(
            names,
            dialect,
            head.offset,
            head.line,
            head.rest,
            len(cells),
            None,
            first=tuple(cells),
        )
    header_line = head.line
    head.skip_row()
    header = Header(tuple(cells), dialect, head.offset, head.line, head.rest, len(cells), text)
    if not any(map(_needs_a_look, header.names)) and head.begins_with_a_record(dialect):
        return replace(header, rest=head.rest)
    sample = head.sample(dialect)
    if not header.names[-1]:
        header = _without_trailing_delimiters(header, sample)
    first_line = f"line {header_line} ({shown_line(header.names)})"
    return replace(
        header,
        rest=head.rest,
        doubt=_doubt(header.names, sample, first_line)
        or _title(header.names, sample, first_line)
        or _other_quote(header.names, first_line),
        unnamed=_unnamed(header.names, sample, first_line),
    )


def _first_row(head: "_Head", dialect: Dialect) -> tuple[bytes, Dialect]:
    """Return the first row, behind a line `sep=`, and the dialect with its delimiter."""
    text = head.first_row(dialect)
    if separator := _SEPARATOR.fullmatch(text.decode()):
        named = separator["delimiter"].replace("\\t", "\t")
        dialect = replace(dialect, delimiter=dialect.delimiter or named)
        head.skip_row()
        return head.first_row(dialect), dialect
    if not dialect.delimiter:
        delimiter = _sniff_delimiter(text.decode(), dialect.quote)
        dialect = Dialect(delimiter, dialect.quote, dialect.escape)
        if dialect.quote is not None and dialect.quote.encode() in text:
            text = head.first_row(dialect)
    return text, dialect


def shown_line(cells: Sequence[str]) -> str:
    """Return the beginning of a line as errors show it."""
    shown = ", ".join(cells[:_SHOWN_CELLS])
    more = ", ..." if len(cells) > _SHOWN_CELLS else ""
    return quote_value(shown[:_SHOWN_CHARACTERS] + more)


def rows_of(text: bytes, line: int, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Return the line and the cells of each well-formed row of the text."""
    for row in Block(text, line, dialect).rows():
        if row.wrong_quote is None:
            with suppress(Unparsable):  # a cell that is too long for a name
                yield line + count_line_ends(text, 0, row.offset), _cells(row.text, dialect)


class _Head:
    """The beginning of the text, as far as it is read, without the rows that were skipped."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._row_end = 0
        self.rest = b""
        self.offset = 0
        self.line = 1

    def first_row(self, dialect: Dialect) -> bytes:
        """Return the first row that is not blank, without its line end."""
        delimiter = dialect.delimiter or DELIMITERS
        pattern = Dialect(delimiter, dialect.quote, dialect.escape).patterns.row
        row = self._read_row(pattern, MAX_ROW_BYTES)
        if len(self.rest) > MAX_ROW_BYTES and (row is None or row.end() == len(self.rest)):
            raise Unparsable(
                f"the header is longer than {MAX_ROW_BYTES // 2**20} MiB, or a quote in it is "
                "never closed"
            )
        if row is None or not row["row"].strip():
            raise Unparsable("the file is empty: it has not even a header")
        self._refuse_malformed(row, dialect)
        self._row_end = row.end()
        return row["row"]

    def skip_row(self) -> None:
        """Skip the row that `first_row` returned."""
        self.offset += self._row_end
        self.line += count_line_ends(self.rest, 0, self._row_end)
        self.rest = self.rest[self._row_end :]

    def begins_with_a_record(self, dialect: Dialect) -> bool:
        """Return whether the next row is well-formed and has a value that is hardly a name."""
        row = self._read_row(dialect.patterns.row, _SAMPLE_BYTES)
        if row is None or row["wrong"] is not None:
            return False
        _, cells = next(rows_of(row["row"], 0, dialect), (0, []))
        return any(map(kind_of, cells))

    def sample(self, dialect: Dialect) -> list[list[str]]:
        """Return the cells of the first rows, as many as a fixed size of text holds."""
        while len(self.rest) <= _SAMPLE_BYTES and self._read():
            pass
        text = self.rest
        if len(text) > _SAMPLE_BYTES:
            text = text[: 1 + max(text.rfind(end, 0, _SAMPLE_BYTES) for end in (b"\n", b"\r"))]
        return [cells for _, cells in islice(rows_of(text, 0, dialect), _SAMPLE_ROWS)]

    def _read_row(self, pattern: re.Pattern[bytes], most_bytes: int) -> re.Match[bytes] | None:
        """Read on until the row is whole, or so many bytes are read; returns what it is by then."""
        row = self._match(pattern)
        # A CR at the very end may be half of a line end, and a quote may close behind it.
        while row is None or row.end() == len(self.rest) or row["wrong"] is not None:
            if len(self.rest) > most_bytes or not self._read():
                break
            row = self._match(pattern)
        return row

    def _match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        blank = _BLANK_LINES.match(self.rest)
        return pattern.match(self.rest, blank.end() if blank else 0)

    def _read(self) -> bool:
        piece = next(self._pieces, None)
        self.rest += piece or b""
        return piece is not None

    def _refuse_malformed(self, row: re.Match[bytes], dialect: Dialect) -> None:
        text = row["row"]
        if b"\0" in text:
            raise Unparsable(
                "the header holds NUL bytes, so the file is not text in the encoding expected: "
                "set WORKER_ENCODING (utf-16, say) to the encoding of the file"
            )
        if row["wrong"] is not None and dialect.delimiter:
            line = self.line + count_line_ends(self.rest, 0, row.start())
            raise Unparsable(
                f"line {line}: a quote in the header is never closed, or not at the end of its "
                f"name: {quote_value(text.decode()[:_SHOWN_CHARACTERS])}"
            )


def _cells(row: bytes, dialect: Dialect) -> list[str]:
    text = with_doubled_quotes(row, dialect).decode()
    if dialect.quote is None:
        return text.split(dialect.delimiter)
    try:
        return next(csv.reader([text], delimiter=dialect.delimiter, quotechar=dialect.quote))
    except csv.Error as error:
        raise Unparsable(f"the header cannot be read: {message_of(error)}") from error


def _sniff_delimiter(line: str, quote: str | None) -> str:
    """Return the most frequent delimiter outside quotes; a comma if there is none."""
    if quote is not None:
        mark = re.escape(quote)
        line = re.sub(f"{mark}[^{mark}]*{mark}", "", line)
    most_frequent = max(DELIMITERS, key=line.count)
    return most_frequent if most_frequent in line else ","


def _without_trailing_delimiters(header: Header, sample: Sequence[Sequence[str]]) -> Header:
    """Drop the empty names at the end, if the rows end with the same delimiters or with none."""
    names = list(header.names)
    while len(names) > 1 and not names[-1]:
        names.pop()
    width = next((len(row) for row in sample if len(row) in {len(names), header.width}), len(names))
    if width > len(names) and any(any(row[len(names) :]) for row in sample if len(row) == width):
        return header
    return replace(header, names=tuple(names), width=width)


def _needs_a_look(name: str) -> bool:
    return not name or kind_of(name) is not None or _is_within_apostrophes(name)


def _is_within_apostrophes(name: str) -> bool:
    return len(name) > 2 and name[0] == name[-1] == "'"  # noqa: PLR2004 - with a name between


def _unnamed(names: Sequence[str], sample: Sequence[Sequence[str]], first_line: str) -> str | None:
    """Return which column has data and no name. The first may be pandas' or R's index."""
    for place, name in enumerate(names):
        if place and not name and any(row[place] for row in sample if place < len(row)):
            return (
                f"{first_line} has no name for column {place + 1}, and there is data below: if it "
                "is a title, remove the lines before the header; else name the column; if the "
                "file has no header, set WORKER_HEADER=absent"
            )
    return None


def _doubt(names: Sequence[str], sample: Sequence[Sequence[str]], first_line: str) -> str | None:
    """Return why the first line is probably no header: a name looks like the first value below."""
    numbered = [str(place) for place in range(len(names))]
    # pandas writes columns without names so, with its index before them or not.
    if list(names) in (numbered, ["", *numbered[:-1]]) and len(names) > 2:  # noqa: PLR2004
        return None
    for place, name in enumerate(names):
        kind = kind_of(name)
        below = next((row[place] for row in sample if place < len(row) and row[place]), "")
        if kind is None or (kind_below := kind_of(below)) is None:
            continue
        if "missing" in (kind, kind_below) or kind == kind_below:
            cell, other = quote_value(repr(name)), quote_value(repr(below))
            return (
                f"{first_line} looks like data, not like a header: {cell} stands above {other}. A "
                "file needs one line of column names; set WORKER_HEADER=absent if this one has none"
            )
    return None


def _title(names: Sequence[str], sample: Sequence[Sequence[str]], first_line: str) -> str | None:
    """Return that the first line is probably a title: words stand above the numbers below it.

    The rows of words behind it would be records that have nothing in common with the others.
    """
    rows = [row for row in sample if len(row) == len(names)]
    words = list(takewhile(lambda row: not any(map(kind_of, row)), rows))
    records = rows[len(words) :]
    if not words or len(records) < 2:  # noqa: PLR2004 - one row shows nothing
        return None
    numbers = [
        words[-1][place]
        for place in range(len(names))
        if all(kind_of(row[place]) == "number" for row in records)
    ]
    # A word above one column of numbers may be a bad cell, and then its row is a bad row.
    if len(numbers) > 1 and all(re.search(r"[^\W\d_]", cell) for cell in numbers):
        return (
            f"{first_line} is probably a title, and ({shown_line(words[-1])}) the header, or a "
            "row of units: words stand above the numbers below. Remove what is neither header "
            "nor data"
        )
    return None


def _other_quote(names: Sequence[str], first_line: str) -> str | None:
    """Return that the file probably has apostrophes for quotes."""
    if not any(map(_is_within_apostrophes, names)):
        return None
    return (
        f"{first_line} has a name within apostrophes: set WORKER_QUOTE=' if they are the file's "
        "quotes"
    )
