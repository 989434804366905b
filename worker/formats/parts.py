"""Parts of a file: what is common to the formats that can be read from the middle."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import pyarrow as pa

from worker.formats.base import TableReader, TableWriter
from worker.interfaces import InputReader, Position, RowGroups, ScoreOptions

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


ReaderT = TypeVar("ReaderT", bound=PartReader)


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
    def end(self) -> int | None:
        """The offset behind the last row; None: it is not known, as the file is compressed."""
        ...

    def open(self, file: InputReader, options: ScoreOptions) -> PartReader:
        """Return a reader of all rows."""
        ...

    def open_first(self, file: InputReader, options: ScoreOptions) -> PartReader:
        """Return a reader of the first part's rows, for the process that opens the file."""
        ...

    def open_part(
        self, file: InputReader, options: ScoreOptions, number: int, begin: Position | None
    ) -> PartReader:
        """Return a reader of one part's rows; without `begin` it guesses where they begin.

        Raises Unparsable if it finds no place where they might.
        """
        ...


class PartWriter(Protocol):
    """Writes the rows of one part of an output."""

    def header(self, table: pa.Table) -> tuple[bytes, bytes]:
        """Return what stands before the rows of such tables, and the footer if there are none.

        It is called once, and before any other method.
        """
        ...

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows, and return the bytes of the output that are ready."""
        ...

    def finish(self) -> tuple[bytes, RowGroups | None]:
        """Return the remaining bytes of the part, and what the output's footer says of it."""
        ...


@dataclass(frozen=True, slots=True)
class TextPartWriter:
    """Implements PartWriter for formats without a footer."""

    writer: TableWriter

    def header(self, table: pa.Table) -> tuple[bytes, bytes]:
        """Return the header."""
        return self.writer.write(table.slice(0, 0)), b""

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows."""
        return self.writer.write(table)

    def finish(self) -> tuple[bytes, None]:
        """Return the remaining bytes of the part."""
        return self.writer.finish(), None


@dataclass(frozen=True, slots=True)
class TextParts(ABC, Generic[ReaderT]):
    """Implements Parts for text in UTF-8, which is cut at fixed offsets."""

    begin: Position
    starts: range
    end: int

    def open(self, file: InputReader, options: ScoreOptions) -> ReaderT:
        """Return a reader of all rows."""
        text = read_from(file, self.begin.offset, self.end)
        return self.reader(file, options, text, self.begin, self.end)

    def open_first(self, file: InputReader, options: ScoreOptions) -> ReaderT:
        """Return a reader of the part in which the first row begins."""
        return self.open_part(file, options, self.number_at(self.begin.offset), self.begin)

    def number_at(self, offset: int) -> int:
        """Return the number of the part in which an offset lies."""
        return bisect_right(self.starts, offset) - 1

    def open_part(
        self, file: InputReader, options: ScoreOptions, number: int, begin: Position | None
    ) -> ReaderT:
        """Return a reader of the rows that begin in a part."""
        start = self.starts[number]
        stop = min(start + self.starts.step, self.end)
        if begin is not None:
            return self.reader(file, options, read_from(file, begin.offset, stop), begin, stop)
        before = start - 1  # if it is a line end, a row begins at the start
        place, text = self.find_begin(read_from(file, before, stop), stop - before)
        return self.reader(file, options, text, Position(before + place, 0), stop)

    @abstractmethod
    def find_begin(self, text: Iterator[bytes], size: int) -> tuple[int, Iterator[bytes]]:
        """Return where the first row behind the first byte begins, and the text from there on.

        It is looked for in the first `size` bytes.
        """

    @abstractmethod
    def end_of_rows(self, text: Iterator[bytes], size: int) -> int:
        """Return where the last row ends of those that begin in the first `size` bytes of a text.

        No more of the text is read than that takes. Raises Unparsable if a row is too long.
        """

    @abstractmethod
    def reader(
        self,
        file: InputReader,
        options: ScoreOptions,
        text: Iterator[bytes],
        begin: Position,
        stop: int,
    ) -> ReaderT:
        """Return a reader of a text that begins there: of the rows that begin before `stop`."""


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
