"""The dialect of a CSV, and the patterns that find its rows.

A quote opens a cell only at the cell's start, and its closing quote must be followed by a delimiter
or the end of the line. Inside an unquoted cell quotes are text, but no delimiter may stand between
two of them: such a row could be read in two ways. Nor may one stand behind a quoted cell of several
lines: it is what is left of a quoted cell in one of these lines. A row that breaks these rules is
malformed. It ends with the line on which the wrong quote stands, so it never contains the row
behind it.
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


_LINE_END = rb"(?:\r\n|\n|\r(?!\Z))"


@cache
def _patterns(dialect: Dialect) -> RowPatterns:
    if dialect.quote is None:
        return _lines()
    quote = re.escape(dialect.quote.encode())
    delimiters = re.escape(dialect.delimiter.encode())
    text = rb"[^" + quote + rb"\r\n]*+"
    inside = rb"[^" + delimiters + rb"\r\n]"  # stands before or behind no start or end of a cell
    quoted = rb"(?<!" + inside + rb")" + _quoted_cell(quote, dialect.escape)
    one_line = text + rb"(?:" + _cell_with_quotes(dialect, quote, delimiters) + text + rb")*+"
    cells = one_line + rb"(?:" + quoted + rb"(?!" + inside + rb")" + text + rb")*+"
    begins = rb"(?<!" + inside + rb")" + quote
    wrong = rb"(?=" + quoted + inside + rb"|(?<=" + inside + rb")" + quote + rb")"
    return _compiled(
        row=rb"(?P<row>" + cells + rb"(?P<wrong>" + quote + rb"[^\r\n]*+)?)(?:\r\n|\r|\n|\Z)",
        rows=rb"(?:" + cells + _LINE_END + rb")*+",
        malformed=cells + wrong + rb"[^\r\n]*+" + _LINE_END,
        unclosed=cells + begins + rb"[^\r\n]*+" + _LINE_END,
        open_quote=cells + rb"(?!" + quoted + rb")" + begins,
        quoted=quoted,
    )


def _lines() -> RowPatterns:
    """Return the patterns for text whose quotes have no meaning."""
    never = rb"(?!)"
    return _compiled(
        row=rb"(?P<row>[^\r\n]*+(?P<wrong>(?!))?)(?:\r\n|\r|\n|\Z)",
        rows=rb"(?:[^\r\n]*+" + _LINE_END + rb")*+",
        malformed=never,
        unclosed=never,
        open_quote=never,
        quoted=never,
    )


def _compiled(**patterns: bytes) -> RowPatterns:
    return RowPatterns(**{name: re.compile(text, re.DOTALL) for name, text in patterns.items()})


def _cell_with_quotes(dialect: Dialect, quote: bytes, delimiters: bytes) -> bytes:
    """Match from a quote that is not wrong to the end of its cell, or of its pair, on its line.

    Each alternative tests behind the quote, as most places have none.
    """
    inside = rb"[^" + delimiters + rb"\r\n]"
    cell = _quoted_cell(quote, dialect.escape, never=rb"\r\n")
    closed = cell[len(quote) :] + rb"(?!" + inside + rb")"
    quoted = rb"(?<!" + inside + quote + rb")" + closed
    # A space between delimiter and quote: the cell was meant to be quoted.
    stray = rb"(?<=" + inside + quote + rb")(?<![" + delimiters + rb"] " + quote + rb")"
    pair = rb"[^" + quote + delimiters + rb"\r\n]*+" + quote
    last = rb"[^" + quote + rb"\r\n]*+(?![^\r\n])"
    return quote + rb"(?:" + quoted + rb"|" + stray + rb"(?:" + pair + rb"|" + last + rb"))"


def _quoted_cell(quote: bytes, escape: str | None, *, never: bytes = b"") -> bytes:
    """Match one quoted cell, in which some characters `never` stand."""
    if escape is None:
        text = rb"[^" + quote + never + rb"]*+"
        return quote + text + rb"(?:" + quote * 2 + text + rb")*+" + quote
    mark = re.escape(escape.encode())
    text = rb"[^" + quote + mark + never + rb"]*+"
    escaped = mark + (rb"[^" + never + rb"]" if never else rb".")
    return quote + text + rb"(?:" + escaped + text + rb")*+" + quote


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
