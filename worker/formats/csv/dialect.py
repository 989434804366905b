"""The dialect of a CSV: where its rows begin and end, its delimiter, and its header."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from worker.errors import Unparsable
from worker.formats.text import MAX_ROW_BYTES

_DELIMITERS = "\t|;,"  # the one that is rarer in column names first
_BLANK_LINES = re.compile(rb"(?:[ \t]*[\r\n])*")
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a CSV: the column names, and what was read with it."""

    names: tuple[str, ...]
    delimiter: str
    line: int
    """The line on which the data begins."""
    rest: bytes
    """The beginning of the data, which was read with the header."""


@dataclass(frozen=True, slots=True)
class RowPatterns:
    """Patterns that find rows as Arrow does: a quote opens only at the start of a cell."""

    cells: re.Pattern[bytes]
    """A row without its line end, or its part before a quote that never closes."""
    row: re.Pattern[bytes]
    """One row (the group `row`) with its line end, if it has one."""
    rows: re.Pattern[bytes]
    """All rows that have their line ends; a CR at the very end may be half of one."""


@cache
def row_patterns(delimiters: str) -> RowPatterns:
    """Return the patterns for rows whose cells are separated by any of the delimiters."""
    between = re.escape(delimiters.encode()) + rb"\r\n"
    stray = rb"(?<=[^" + between + rb'])"'
    quoted = rb'"[^"]*+(?:""[^"]*+)*+"'
    cells = rb'[^"\r\n]*+(?:(?:' + stray + rb"|" + quoted + rb')[^"\r\n]*+)*+'
    return RowPatterns(
        cells=re.compile(cells),
        row=re.compile(rb"(?P<row>" + cells + rb")(?:\r\n|\r|\n|\Z)"),
        rows=re.compile(rb"(?:" + cells + rb"(?:\r\n|\n|\r(?!\Z)))*+"),
    )


def count_line_ends(text: bytes, start: int, end: int) -> int:
    """Count the line ends between two offsets: LF, CR, or CR LF as one."""
    ends = text.count(b"\n", start, end)
    if text.find(b"\r", start, end) >= 0:
        ends += text.count(b"\r", start, end) - text.count(b"\r\n", start, end)
    return ends


def read_header(text: Iterator[bytes], delimiter: str | None) -> Header:
    """Read the header of a CSV in UTF-8, and no more pieces of the text than that takes.

    If the delimiter is None, the most frequent candidate in the header is taken. Raises Unparsable.
    """
    head, row = _first_row(text, row_patterns(delimiter or _DELIMITERS).row)
    if b"\0" in row["row"]:
        raise Unparsable(
            "the header holds NUL bytes, so the file is not text in the encoding expected: "
            "set WORKER_ENCODING (utf-16, say) to the encoding of the file"
        )
    line = row["row"].decode()
    delimiter = delimiter or _sniff_delimiter(line)
    try:
        names = next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise Unparsable(f"the header cannot be read: {error}") from error
    data_line = 1 + count_line_ends(head, 0, row.end())
    return Header(tuple(names), delimiter, data_line, head[row.end() :])


def _first_row(text: Iterator[bytes], pattern: re.Pattern[bytes]) -> tuple[bytes, re.Match[bytes]]:
    """Return the text that was read, and the first row in it that is not blank."""
    head, row = b"", None
    for piece in text:
        head += piece
        row = _row_after_blank_lines(head, pattern)
        if row is not None and row.end() < len(head):
            break
        if len(head) > MAX_ROW_BYTES:
            raise Unparsable(
                f"the header is longer than {MAX_ROW_BYTES // 2**20} MiB, or a quote in it is "
                "never closed"
            )
    if not head.strip():
        raise Unparsable("the file is empty: it has not even a header")
    if row is None:
        raise Unparsable("a quote in the header is never closed")
    return head, row


def _row_after_blank_lines(head: bytes, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    blank = _BLANK_LINES.match(head)
    return pattern.match(head, blank.end() if blank else 0)


def _sniff_delimiter(line: str) -> str:
    """Return the most frequent delimiter outside quotes; a comma if there is none."""
    unquoted = _QUOTED.sub("", line)
    most_frequent = max(_DELIMITERS, key=unquoted.count)
    return most_frequent if most_frequent in unquoted else ","
