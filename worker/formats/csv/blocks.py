"""Cuts the text of a CSV into blocks of whole rows, and finds the rows in a block."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from worker.errors import Unparsable
from worker.formats.csv.dialect import Dialect, count_line_ends
from worker.formats.text import MAX_ROW_BYTES

Span = tuple[int, int]  # from one offset to another: a row with its line end


class RawRow(NamedTuple):
    """A row as it stands in the file, without its line end."""

    offset: int
    text: bytes
    wrong_quote: int | None
    """The offset in the row of the quote that makes it malformed."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole rows of a CSV, each with its line end."""

    text: bytes
    line: int
    """The line of the file on which the first row begins."""
    dialect: Dialect
    malformed: tuple[Span, ...] = ()
    """The rows with a wrong quote, in order."""

    def rows(self) -> Iterator[RawRow]:
        """Return every row that is not blank."""
        pattern = self.dialect.patterns.row
        offset = 0
        while offset < len(self.text):
            row = pattern.match(self.text, offset)
            assert row is not None
            if row["row"]:
                wrong = row.start("wrong") - offset if row["wrong"] is not None else None
                yield RawRow(offset, row["row"], wrong)
            offset = row.end()


class BlockSplitter:
    """Cuts text into blocks of whole rows, of about the size of its pieces.

    With `limit` only the rows are taken that begin in so many bytes of the text. A cell whose quote
    does not close within `max_row_bytes` of its row, or never, makes the row malformed, and the
    next line begins the next row: which rows there are depends on the text behind the first one
    alone, and not on how it is cut into pieces.
    """

    def __init__(
        self,
        dialect: Dialect,
        line: int,
        *,
        limit: int | None = None,
        max_row_bytes: int = MAX_ROW_BYTES,
    ) -> None:
        self.line = line
        """The line behind the blocks so far."""
        self.offset = 0
        """The bytes of the blocks so far."""
        self._dialect = dialect
        self._quote = (dialect.quote or "").encode()
        self._limit = limit
        self._max_row_bytes = max_row_bytes
        self._rest = b""  # the text behind the last whole row
        self._is_open = False  # whether a quote is open at the end of the rest
        self._piece_bytes = 1

    def split(self, text: Iterator[bytes]) -> Iterator[Block]:
        """Return the blocks of the text, of which no more is read than they need.

        Raises Unparsable if a row is too long.
        """
        while not self._is_done:
            piece = next(text, None)
            if piece is None:
                yield from self._finish()
                return
            yield from self._add(piece)

    @property
    def _is_done(self) -> bool:
        return self._limit is not None and self.offset >= self._limit

    def _add(self, piece: bytes) -> Iterator[Block]:
        """Add text, and return the rows that are whole now."""
        self._piece_bytes = max(self._piece_bytes, len(piece))
        start = 0
        while start < len(piece) and not self._is_done:
            end = start + self._max_row_bytes + 1 - len(self._rest)
            yield from self._take(piece[start:end])
            start = end
            if len(self._rest) > self._max_row_bytes:
                yield from self._give_up_quote()

    def _finish(self) -> Iterator[Block]:
        """Return the rows that are left at the end of the text."""
        if not self._rest:
            return
        end = self.offset + len(self._rest)
        # Without a line end Arrow reads an empty last cell as quoted if the cell before it is.
        yield from self._take(b"\n")
        while self._rest and not self._is_done:
            yield from self._give_up_quote()
        self.offset = min(self.offset, end)

    def _give_up_quote(self) -> Iterator[Block]:
        """Return the rows in the rest, of which the first is malformed: its quote never closes."""
        row = self._dialect.patterns.unclosed.match(self._rest)
        if row is None:
            raise Unparsable(
                f"line {self.line}: the row is longer than {self._max_row_bytes // 2**20} MiB"
            )
        text, self._rest, self._is_open = self._rest, b"", False
        yield self._block(text[: row.end()], [row.span()])
        for start in range(row.end(), len(text), self._piece_bytes):
            yield from self._add(text[start : start + self._piece_bytes])

    def _take(self, piece: bytes) -> Iterator[Block]:
        data = self._rest + piece
        if self._is_open and self._quote not in piece:
            self._rest = data
            return
        end, malformed = self._find_rows(data)
        if self._limit is not None and self.offset + end > self._limit:
            end = self._end_of_rows(data, end, self._limit - self.offset)
            malformed = [span for span in malformed if span[1] <= end]
        self._rest = data[end:]
        if end:
            yield self._block(data[:end], malformed)

    def _end_of_rows(self, data: bytes, end: int, limit: int) -> int:
        """Return the end of the last row that begins before the limit; rows are whole to `end`."""
        place = 0
        while place < limit:
            row = self._dialect.patterns.row.match(data, place, end)
            assert row is not None
            place = row.end()
        return place

    def _block(self, text: bytes, malformed: list[Span]) -> Block:
        block = Block(text, self.line, self._dialect, tuple(malformed))
        self.line += count_line_ends(text, 0, len(text))
        self.offset += len(text)
        return block

    def _find_rows(self, data: bytes) -> tuple[int, list[Span]]:
        """Return the end of the last whole row, and the malformed rows before it."""
        self._is_open = False
        if not self._quote or self._quote not in data:
            # A CR at the very end may be half of a line end.
            return 1 + max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)), []
        patterns = self._dialect.patterns
        malformed: list[Span] = []
        start = 0
        while True:
            well_formed = patterns.rows.match(data, start)
            assert well_formed is not None
            row = patterns.malformed.match(data, well_formed.end())
            if row is None:
                break
            malformed.append(row.span())
            start = row.end()
        self._is_open = patterns.open_quote.match(data, well_formed.end()) is not None
        return well_formed.end(), malformed
