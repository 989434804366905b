"""The dialect of a CSV, and the patterns that find its rows.

A quote opens a cell only at the cell's start, and its closing quote must be followed by a delimiter
or the end of the line. Inside an unquoted cell quotes are text, but no delimiter may stand between
two of them: such a row could be read in two ways. A row that breaks these rules is malformed. It
ends with the line on which the wrong quote stands, so it never contains the row behind it.
"""

import re
from dataclasses import dataclass
from functools import cache

DELIMITERS = "\t|;,"  # the one that is rarer in column names first


@dataclass(frozen=True, slots=True)
class Dialect:
    """The special characters of a CSV."""

    delimiter: str
    """One character, or the candidates for it while it is not known."""
    quote: str | None = '"'
    escape: str | None = None
    """Stands before a quote, or before itself, inside quotes; None: the quote is doubled."""

    @property
    def patterns(self) -> "RowPatterns":
        """The patterns that find rows of this dialect."""
        return _patterns(self)


@dataclass(frozen=True, slots=True)
class RowPatterns:
    """Patterns that find rows and cells. A CR at the very end may be half of a line end."""

    row: re.Pattern[bytes]
    """One row (the group `row`) with its line end, if it has one; a wrong quote begins `wrong`."""
    rows: re.Pattern[bytes]
    """All well-formed rows that have their line ends."""
    malformed: re.Pattern[bytes]
    """One row with its line end that is malformed, whatever follows."""
    unclosed: re.Pattern[bytes]
    """One row with its line end that is malformed if the text ends here."""
    open_quote: re.Pattern[bytes]
    """The beginning of a row to a quote that opens a cell and is not closed in the text."""
    quoted: re.Pattern[bytes]
    """One quoted cell, in text without malformed rows."""


@cache
def _patterns(dialect: Dialect) -> RowPatterns:
    line_end = rb"(?:\r\n|\n|\r(?!\Z))"
    delimiters = b"[" + re.escape(dialect.delimiter.encode()) + b"]"
    cell_end = delimiters[:-1] + rb"\r\n]"
    inside = rb"[^" + cell_end[1:]
    if dialect.quote is None:
        cells = rb"[^\r\n]*+"
        never = re.compile(rb"(?!)")
        return RowPatterns(
            row=re.compile(rb"(?P<row>" + cells + rb"(?P<wrong>(?!))?)(?:\r\n|\r|\n|\Z)"),
            rows=re.compile(rb"(?:" + cells + line_end + rb")*+"),
            malformed=never,
            unclosed=never,
            open_quote=never,
            quoted=never,
        )
    quote = re.escape(dialect.quote.encode())
    text = rb"[^" + quote + rb"\r\n]*+"
    at_start, in_cell = rb"(?<!" + inside + rb")", rb"(?<=" + inside + rb")"
    quoted = at_start + _quoted_cell(quote, dialect.escape)
    # Each alternative begins behind the quote, as most cells have none and need no other test.
    begins = rb"(?<!" + inside + quote + rb")"
    closed = begins + _quoted_cell(quote, dialect.escape)[len(quote) :] + rb"(?!" + inside + rb")"
    # A space between delimiter and quote: the cell was meant to be quoted.
    stray = rb"(?<=" + inside + quote + rb")(?<!" + delimiters + rb" " + quote + rb")"
    pair = rb"[^" + quote + cell_end[1:] + rb"*+" + quote
    last = text + rb"(?![^\r\n])"
    cell = quote + rb"(?:" + closed + rb"|" + stray + rb"(?:" + pair + rb"|" + last + rb"))"
    cells = text + rb"(?:" + cell + text + rb")*+"
    wrong = rb"(?=" + quoted + inside + rb"|" + in_cell + quote + rb")"
    return RowPatterns(
        row=re.compile(
            rb"(?P<row>" + cells + rb"(?P<wrong>" + quote + rb"[^\r\n]*+)?)(?:\r\n|\r|\n|\Z)",
            re.DOTALL,
        ),
        rows=re.compile(rb"(?:" + cells + line_end + rb")*+", re.DOTALL),
        malformed=re.compile(cells + wrong + rb"[^\r\n]*+" + line_end, re.DOTALL),
        unclosed=re.compile(cells + at_start + quote + rb"[^\r\n]*+" + line_end, re.DOTALL),
        open_quote=re.compile(cells + rb"(?!" + quoted + rb")" + at_start + quote, re.DOTALL),
        quoted=re.compile(quoted, re.DOTALL),
    )


def _quoted_cell(quote: bytes, escape: str | None) -> bytes:
    if escape is None:
        return rb"%b[^%b]*+(?:%b%b[^%b]*+)*+%b" % ((quote,) * 6)
    mark = re.escape(escape.encode())
    return rb"%b[^%b%b]*+(?:%b.[^%b%b]*+)*+%b" % (quote, quote, mark, mark, quote, mark, quote)


def with_doubled_quotes(text: bytes, dialect: Dialect) -> bytes:
    """Return text without malformed rows in the dialect whose quotes are doubled, not escaped."""
    if dialect.quote is None or dialect.escape is None:
        return text
    quote, escape = dialect.quote.encode(), dialect.escape.encode()
    if escape not in text:
        return text
    escaped = re.compile(re.escape(escape) + rb"([%b])" % re.escape(quote + escape))

    def replace(character: re.Match[bytes]) -> bytes:
        return quote * 2 if character[1] == quote else escape

    return dialect.patterns.quoted.sub(lambda cell: escaped.sub(replace, cell[0]), text)


def count_line_ends(text: bytes, start: int, end: int) -> int:
    """Count the line ends between two offsets: LF, CR, or CR LF as one."""
    ends = text.count(b"\n", start, end)
    if text.find(b"\r", start, end) >= 0:
        ends += text.count(b"\r", start, end) - text.count(b"\r\n", start, end)
    return ends
