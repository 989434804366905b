"""Parts of a file: what is common to the formats that can be read from the middle."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from worker.formats.base import TableReader
from worker.interfaces import InputReader, Position, ScoreOptions

# The last row of a part ends behind the part. So much is read with the part, and then so much more.
_BEHIND_BYTES = 2**16
_MORE_BYTES = 2**20
# Wider files get larger parts, up to a limit: the time of a batch grows with columns x parts.
_COLUMNS_PER_PART = 128
_LARGEST_PART = 4


class PartReader(TableReader, Protocol):
    """Reads rows from one place of a file to another."""

    @property
    def begin(self) -> Position:
        """Where the first row begins; if that is a guess the line is 0."""
        ...

    @property
    def end(self) -> Position:
        """Where the rows that were read so far end."""
        ...


class Parts(Protocol):
    """The parts of a file, and what was found out at its beginning; can be pickled."""

    @property
    def begin(self) -> Position:
        """Where the first row begins."""
        ...

    @property
    def starts(self) -> Sequence[int]:
        """The offset at which each part starts."""
        ...

    @property
    def end(self) -> int:
        """The offset behind the last row."""
        ...

    def open(self, file: InputReader, options: ScoreOptions) -> PartReader:
        """Return a reader of all rows."""
        ...

    def open_part(
        self, file: InputReader, options: ScoreOptions, number: int, begin: Position | None
    ) -> PartReader:
        """Return a reader of one part's rows; without `begin` it guesses where they begin.

        Raises Unparsable if it finds no place where they might.
        """
        ...


def cut_at_bytes(size: int, part_bytes: int, width: int) -> range:
    """Return where the parts of a file of that size and so many columns start."""
    return range(0, size, part_bytes * min(_LARGEST_PART, 1 + width // _COLUMNS_PER_PART))


def read_from(file: InputReader, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes of a file from `start` on; what stands behind `stop` is hardly needed."""
    while start < file.size:
        end = min(stop + _BEHIND_BYTES, file.size)
        if start < len(file.first):
            yield file.first[start:end]
            start = min(end, len(file.first))
        if start < end:
            yield from file.read([(start, end)])
        start, stop = end, end + _MORE_BYTES
