"""Where a CSV's rows begin and end, and what its header says."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from worker.errors import Unparsable

ROW_BYTES = 16 * 2**20

_DELIMITERS = "\t|;,"  # the less likely in a name first
_BLANK_LINES = re.compile(rb"(?:[ \t]*[\r\n])*")
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a CSV: the column names, and what was read with it."""

    names: tuple[str, ...]
    delimiter: str
    line: int
    """The one on which the data begins."""
    rest: bytes
    """The data's beginning."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Rows as Arrow reads them: a quote opens only at a cell's start."""

    cells: re.Pattern[bytes]
    """A row without its line end, or what of it stands before a quote that never closes."""
    row: re.Pattern[bytes]
    """One row (the group `row`) with its line end, if it has one."""
    rows: re.Pattern[bytes]
    """All rows that have their line ends; a CR at the very end may be half of one."""


@cache
def patterns(delimiters: str) -> Patterns:
    """How to find rows whose cells are parted by any of the delimiters."""
    between = re.escape(delimiters.encode()) + rb"\r\n"
    stray = rb"(?<=[^" + between + rb'])"'
    quoted = rb'"[^"]*+(?:""[^"]*+)*+"'
    cells = rb'[^"\r\n]*+(?:(?:' + stray + rb"|" + quoted + rb')[^"\r\n]*+)*+'
    return Patterns(
        cells=re.compile(cells),
        row=re.compile(rb"(?P<row>" + cells + rb")(?:\r\n|\r|\n|\Z)"),
        rows=re.compile(rb"(?:" + cells + rb"(?:\r\n|\n|\r(?!\Z)))*+"),
    )


def line_ends(text: bytes, start: int, end: int) -> int:
    """How many lines end between two places: by LF, CR, or both as one."""
    ends = text.count(b"\n", start, end)
    if text.find(b"\r", start, end) >= 0:
        ends += text.count(b"\r", start, end) - text.count(b"\r\n", start, end)
    return ends


def read_header(text: Iterator[bytes], delimiter: str | None) -> Header:
    """The header of a CSV in UTF-8; without a delimiter, the commonest candidate in it is taken.

    Of the text no more is read than it takes.
    """
    head, row = _first_row(text, patterns(delimiter or _DELIMITERS).row)
    if b"\0" in row["row"]:
        raise Unparsable(
            "the header holds NUL bytes, so the file is not text in the encoding expected: "
            "set WORKER_ENCODING (utf-16, say) to the encoding of the file"
        )
    line = row["row"].decode()
    delimiter = delimiter or _sniff(line)
    try:
        names = next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise Unparsable(f"the header cannot be read: {error}") from error
    return Header(tuple(names), delimiter, 1 + line_ends(head, 0, row.end()), head[row.end() :])


def _first_row(text: Iterator[bytes], pattern: re.Pattern[bytes]) -> tuple[bytes, re.Match[bytes]]:
    """What was read, and the first row in it that is not blank."""
    head, row = b"", None
    for piece in text:
        head += piece
        row = _row_after_blank_lines(head, pattern)
        if row is not None and row.end() < len(head):
            break
        if len(head) > ROW_BYTES:
            raise Unparsable(
                f"the header is longer than {ROW_BYTES // 2**20} MiB, or a quote in it is never "
                "closed"
            )
    if not head.strip():
        raise Unparsable("the file is empty: it has not even a header")
    if row is None:
        raise Unparsable("a quote in the header is never closed")
    return head, row


def _row_after_blank_lines(head: bytes, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
    blank = _BLANK_LINES.match(head)
    return pattern.match(head, blank.end() if blank else 0)


def _sniff(line: str) -> str:
    """The delimiter that stands most often outside quotes; a comma where there is none."""
    bare = _QUOTED.sub("", line)
    most = max(_DELIMITERS, key=bare.count)
    return most if most in bare else ","
