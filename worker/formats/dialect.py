"""Where a CSV's rows begin and end, and what its header says."""

import codecs
import csv
import re
from dataclasses import dataclass
from functools import cache

from worker.errors import Unparsable

_DELIMITERS = ",;\t|"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLANK_LINES = re.compile(rb"(?:[ \t]*[\r\n])*")
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a CSV: the column names, and the offset at which the data begins."""

    names: tuple[str, ...]
    delimiter: str
    end: int


def to_utf8(body: bytes, encoding: str) -> bytes:
    """The text as UTF-8 without a byte order mark; raises Unparsable naming the first bad byte."""
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        found = "; it looks like utf-16" if body.startswith(_UTF16) else ""
        raise Unparsable(
            f"byte {error.start} (0x{body[error.start]:02x}) is not {encoding}{found}: "
            "set WORKER_ENCODING to the encoding of the file"
        ) from error
    if codecs.lookup(encoding).name == "utf-8":
        return body.removeprefix(codecs.BOM_UTF8)
    return text.removeprefix("\ufeff").encode()


@cache
def row_pattern(delimiters: str) -> re.Pattern[bytes]:
    """One row and its line end, read as Arrow reads it: a quote opens at a cell's start only.

    The group `row` is the row without its line end, `open` is set where a quote never closes.
    """
    stop = re.escape(delimiters.encode())
    quoted = rb'"[^"]*+(?:""[^"]*+)*+(?:"|(?P<open>\Z))'
    first = rb"(?>" + quoted + rb")?+[^" + stop + rb"\r\n]*+"
    cell = first.replace(b"?P<open>", b"?P<open_later>")
    return re.compile(
        rb"(?P<row>" + first + rb"(?:[" + stop + rb"]" + cell + rb")*+)(?:\r\n|\r|\n|\Z)"
    )


def read_header(text: bytes, delimiter: str | None) -> Header:
    """The header of a CSV in UTF-8; without a delimiter, the commonest candidate in it is taken."""
    blank = _BLANK_LINES.match(text)
    start = blank.end() if blank else 0
    if not text[start : start + 1024].strip():
        raise Unparsable("the file is empty: it has not even a header")
    row = row_pattern(delimiter or _DELIMITERS).match(text, start)
    if row is None or row["open"] is not None or row["open_later"] is not None:
        raise Unparsable("a quote in the header is never closed")
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
    return Header(tuple(names), delimiter, row.end())


def _sniff(line: str) -> str:
    """The delimiter that stands most often outside quotes; the earlier candidate on a tie."""
    bare = _QUOTED.sub("", line)
    return max(_DELIMITERS, key=bare.count)
