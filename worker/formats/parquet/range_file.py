"""Some ranges of an object, fetched, and read as if the object were a whole file."""

from collections.abc import Iterable, Sequence

from worker.interfaces import InputReader, Range

_GAP_BYTES = 2**20


def joined(ranges: Iterable[Range]) -> list[Range]:
    """The ranges in order, those that are near each other as one."""
    near: list[Range] = []
    for start, end in sorted(ranges):
        if near and start - near[-1][1] < _GAP_BYTES:
            near[-1] = (near[-1][0], max(end, near[-1][1]))
        else:
            near.append((start, end))
    return near


def total(ranges: Iterable[Range]) -> int:
    """How many bytes the ranges have."""
    return sum(end - start for start, end in ranges)


class Fetched:
    """A file for readers that seek, of which only the ranges last fetched are there."""

    closed = False

    def __init__(self, reader: InputReader) -> None:
        self._blob = reader
        self._parts: list[tuple[Range, memoryview]] = []
        self._position = 0

    def fetch(self, ranges: Sequence[Range]) -> None:
        """Have these ranges, which are in order, and no longer those before."""
        self._parts = []
        if ranges[-1][1] <= len(self._blob.first):
            self._parts = [((0, len(self._blob.first)), memoryview(self._blob.first))]
            return
        held = bytearray(total(ranges))
        filled = 0
        for piece in self._blob.read(ranges):
            held[filled : filled + len(piece)] = piece
            filled += len(piece)
        assert filled == len(held) == total(ranges)
        start = 0
        for wanted in ranges:
            end = start + total([wanted])
            self._parts.append((wanted, memoryview(held)[start:end]))
            start = end

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move as in any file."""
        self._position = offset + (0, self._position, self._blob.size)[whence]
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def read(self, size: int) -> memoryview:
        """So many bytes; raises OSError where they are not there."""
        start, end = self._position, self._position + size
        for (first, last), data in self._parts:
            if first <= start and end <= last:
                self._position = end
                return data[start - first : end - first]
        raise OSError(f"the footer has no column at the bytes {start} to {end}")

    def close(self) -> None:
        """Let the ranges go."""
        self._parts = []
