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


def split_blocks(text: Iterator[bytes], dialect: Dialect, line: int) -> Iterator[Block]:
    """Cut the text, which begins on that line, into blocks of about the size of its pieces.

    A cell whose quote does not close within 16 MiB, or never, makes its row malformed, and the next
    line begins the next row. Raises Unparsable if a row is too long.
    """
    splitter = _Splitter(dialect, line)
    for piece in text:
        yield from splitter.add(piece)
    yield from splitter.finish()


class _Splitter:
    """Collects text until it has whole rows."""

    def __init__(self, dialect: Dialect, line: int) -> None:
        self._dialect = dialect
        self._quote = (dialect.quote or "").encode()
        self._line = line
        self._rest = b""  # the text behind the last whole row
        self._is_open = False  # whether a quote is open at the end of the rest
        self._piece_bytes = 1

    def add(self, piece: bytes) -> Iterator[Block]:
        """Add text, and return the rows that are whole now."""
        self._piece_bytes = max(self._piece_bytes, len(piece))
        yield from self._take(piece)
        while len(self._rest) > MAX_ROW_BYTES:
            yield from self._give_up_quote()

    def finish(self) -> Iterator[Block]:
        """Return the rows that are left at the end of the text."""
        if self._rest:
            # Without a line end Arrow reads an empty last cell as quoted if the cell before it is.
            yield from self._take(b"\n")
        while self._rest:
            yield from self._give_up_quote()

    def _give_up_quote(self) -> Iterator[Block]:
        """Return the rows in the rest, of which the first is malformed: its quote never closes."""
        row = self._dialect.patterns.unclosed.match(self._rest)
        if row is None:
            raise Unparsable(
                f"line {self._line}: the row is longer than {MAX_ROW_BYTES // 2**20} MiB"
            )
        text, self._rest, self._is_open = self._rest, b"", False
        yield self._block(text[: row.end()], [row.span()])
        for start in range(row.end(), len(text), self._piece_bytes):
            yield from self._take(text[start : start + self._piece_bytes])

    def _take(self, piece: bytes) -> Iterator[Block]:
        data = self._rest + piece
        if self._is_open and self._quote not in piece:
            self._rest = data
            return
        end, malformed = self._find_rows(data)
        self._rest = data[end:]
        if end:
            yield self._block(data[:end], malformed)

    def _block(self, text: bytes, malformed: list[Span]) -> Block:
        block = Block(text, self._line, self._dialect, tuple(malformed))
        self._line += count_line_ends(text, 0, len(text))
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
