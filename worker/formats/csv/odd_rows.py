"""Rows of a CSV that are no data: with a wrong quote, blank, or the header once more."""

import codecs
import re
from collections.abc import Sequence

from worker.formats.csv.blocks import Block, RawRow, Span
from worker.formats.csv.dialect import Dialect


class OddRows:
    """Finds the rows of a file that are no data, and says why they are none."""

    def __init__(self, dialect: Dialect, width: int, header: bytes | None) -> None:
        self._dialect = dialect
        self._header = header
        delimiter, quote = dialect.delimiter.encode(), (dialect.quote or "").encode()
        # Empty cells, all of them with quotes or all without: "" beside nothing is an empty text.
        empty = [b"", quote * 2] if quote else [b""]
        blank_rows = [delimiter.join([cell] * width) for cell in empty] if width > 1 else []
        blank = b"|".join(map(re.escape, blank_rows)) or rb"(?!)"
        begins, ends = rb"(?<![^\r\n])", rb"(?:\r\n|\r|\n|\Z)"
        self._blank = re.compile(blank)
        again = rb"(?:%b)?%b" % (codecs.BOM_UTF8, re.escape(header)) if header else rb"(?!)"
        self._again = re.compile(again)
        self._odd = re.compile(begins + rb"(?:" + again + rb"|" + blank + rb")" + ends)
        # Most blocks hold none of these, and then the pattern is not tried on each of their lines.
        self._signs = [*blank_rows, *([codecs.BOM_UTF8 + header, header] if header else [])]
        # So many cells that the row cannot be well-formed.
        one_cell = next(mark for mark in (b"a", b"b", b"c", b"d") if mark not in delimiter + quote)
        self._placeholder = (one_cell if width > 1 else delimiter) + b"\n"

    def set_aside(self, block: Block) -> bytes:
        """Return the block's text with a row that Arrow refuses in place of each odd row."""
        spans = sorted([*block.malformed, *self._find(block)])
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
        if self._again.fullmatch(row.text):
            return "the header once more"
        if self._blank.fullmatch(row.text):
            return "all cells are empty"
        return None

    def _find(self, block: Block) -> list[Span]:
        """Find the rows that are blank or the header."""
        text = block.text
        if not any(self._stands_at_line_start(sign, text) for sign in self._signs):
            return []
        spans = {row.start(): row.end() for row in self._odd.finditer(text)}
        if not spans or not self._has_quote(text):
            return list(spans.items())
        # A line inside a quoted cell is no row.
        offsets = [row.offset for row in block.rows() if row.wrong_quote is None]
        return [(offset, spans[offset]) for offset in offsets if offset in spans]

    def _has_quote(self, text: bytes) -> bool:
        return self._dialect.quote is not None and self._dialect.quote.encode() in text

    @staticmethod
    def _stands_at_line_start(sign: bytes, text: bytes) -> bool:
        return (
            text.startswith(sign)
            or b"\n" + sign in text
            or (b"\r" in text and b"\r" + sign in text)
        )

    def _quote_reason(self, row: RawRow, names: Sequence[str]) -> str:
        assert row.wrong_quote is not None
        before, quote = row.text[: row.wrong_quote], (self._dialect.quote or "").encode()
        cells = self._dialect.patterns.quoted.sub(b"", before)
        number = cells.count(self._dialect.delimiter.encode())
        where = f"cell {number + 1}" + (f", {names[number]!r}" if number < len(names) else "")
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
