"""Rows of a CSV that are no data: with a wrong quote, blank, or the header once more."""

import codecs
import re
from collections.abc import Sequence

from worker.formats.csv.blocks import Block, RawRow, Span
from worker.formats.csv.dialect import Dialect
from worker.quoting import quote_value


class OddRows:
    """Finds the rows of a file that are no data, and says why they are none."""

    def __init__(self, dialect: Dialect, width: int, header: bytes | None) -> None:
        self._dialect = dialect
        delimiter, quote = dialect.delimiter.encode(), (dialect.quote or "").encode()
        self._quote = quote
        self._headers = _quotings(header, width, delimiter, quote) if header else []
        # Empty cells, all of them with quotes or all without: "" beside nothing is an empty text.
        self._blank = [delimiter * (width - 1)] if width > 1 else []
        self._quoted_blank = [delimiter.join([quote * 2] * width)] if quote and width > 1 else []
        # So many cells that the row cannot be well-formed.
        one_cell = next(mark for mark in (b"a", b"b", b"c", b"d") if mark not in delimiter + quote)
        self._placeholder = (one_cell if width > 1 else delimiter) + b"\n"

    def set_aside(self, block: Block, *, may_be_blank: bool = False) -> bytes:
        """Return the block's text with a row that Arrow refuses in place of each odd row.

        Rows of delimiters alone are looked for only if they `may_be_blank`.
        """
        found = self._find(block, self._wanted(block.text, may_be_blank=may_be_blank))
        spans = sorted([*block.malformed, *found])
        if not spans:
            return block.text
        parts, end = [], 0
        for start, row_end in spans:
            parts += [block.text[end:start], self._placeholder]
            end = row_end
        return b"".join([*parts, block.text[end:]])

    def reason(self, row: RawRow, names: Sequence[str]) -> str | None:
        """Return why a row is no data; None if it is not odd."""
        if row.wrong_quote is not None:
            return self._quote_reason(row, names)
        if row.text.removeprefix(codecs.BOM_UTF8) in self._headers:
            return "the header once more"
        if row.text in self._blank + self._quoted_blank:
            return "all cells are empty"
        return None

    def _wanted(self, text: bytes, *, may_be_blank: bool) -> list[bytes]:
        """Return the rows to look for."""
        wanted = self._headers[:1]
        has_quotes = bool(self._quote) and self._quote in text
        if has_quotes or (wanted and self._quote in wanted[0]):
            wanted = [*self._headers]
        if wanted and not text.isascii():
            wanted += [codecs.BOM_UTF8 + header for header in wanted]
        if has_quotes:
            wanted += self._quoted_blank
        return wanted + self._blank * may_be_blank

    def _find(self, block: Block, wanted: Sequence[bytes]) -> list[Span]:
        """Find the rows that are one of those wanted."""
        text = block.text
        ends = [b"\n", b"\r"] if b"\r" in text else [b"\n"]
        wanted = [
            row for row in wanted if text.startswith(row) or any(end + row in text for end in ends)
        ]
        if not wanted:
            return []
        any_row = b"|".join(map(re.escape, wanted))
        pattern = re.compile(rb"(?<![^\r\n])(?:" + any_row + rb")(?:\r\n|\r|\n|\Z)")
        spans = {row.start(): row.end() for row in pattern.finditer(text)}
        if not spans or not self._quote or self._quote not in text:
            return list(spans.items())
        # A line inside a quoted cell is no row.
        offsets = [row.offset for row in block.rows() if row.wrong_quote is None]
        return [(offset, spans[offset]) for offset in offsets if offset in spans]

    def _quote_reason(self, row: RawRow, names: Sequence[str]) -> str:
        assert row.wrong_quote is not None
        before, quote = row.text[: row.wrong_quote], (self._dialect.quote or "").encode()
        cells = self._dialect.patterns.quoted.sub(b"", before)
        number = cells.count(self._dialect.delimiter.encode())
        where = f"cell {number + 1}" + (
            f", {quote_value(repr(names[number]))}" if number < len(names) else ""
        )
        if self._dialect.escape is None and b"\\" + quote in row.text[row.wrong_quote :]:
            return (
                f"a backslash stands before a quote ({where}): Spark writes quotes so, and "
                "WORKER_ESCAPE=\\ reads them"
            )
        if before and not before.endswith(self._dialect.delimiter.encode()):
            return (
                f"a quote stands inside a cell that has no quote at its start ({where}), and what "
                "follows can be read in two ways: quote the whole cell, or set WORKER_QUOTE=none "
                "if quotes are plain text"
            )
        return (
            f"a quote opens that is never closed, or not at the end of its cell ({where}): double "
            "the quotes inside a quoted cell"
        )


def _quotings(header: bytes, width: int, delimiter: bytes, quote: bytes) -> list[bytes]:
    """Return a header as it stands, then with quotes around all names, and around none."""
    plain = header.replace(quote, b"") if quote else header
    if not quote or quote * 2 in header or header.count(delimiter) != width - 1:
        return [header]
    quoted = delimiter.join(quote + name + quote for name in plain.split(delimiter))
    return list(dict.fromkeys([header, quoted, plain]))
