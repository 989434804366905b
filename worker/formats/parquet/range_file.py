"""Fetches byte ranges of a file, and offers them to Arrow as if the whole file were there."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from worker.interfaces import InputReader, Range

_MAX_GAP_BYTES = 2**20  # fetching so many unneeded bytes is faster than another request


def merge_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Sort the ranges, and merge those with a small gap between them."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start - merged[-1][1] < _MAX_GAP_BYTES:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def total_bytes(ranges: Iterable[Range]) -> int:
    """Return the sum of the ranges' sizes."""
    return sum(end - start for start, end in ranges)


_Part = tuple[Range, memoryview]


def _start(part: _Part) -> int:
    return part[0][0]


class RangeFile:
    """A file for readers that seek; it holds the ranges that were fetched last."""

    closed = False

    def __init__(self, file: InputReader) -> None:
        self._file = file
        self._parts: list[_Part] = []
        self._position = 0

    def fetch(self, ranges: Sequence[Range]) -> None:
        """Fetch these ranges, which must be in order, and drop the earlier ones."""
        self._parts = []
        if ranges[-1][1] <= len(self._file.first):
            self._parts = [((0, len(self._file.first)), memoryview(self._file.first))]
            return
        fetched = bytearray(total_bytes(ranges))
        filled = 0
        for piece in self._file.read(ranges):
            fetched[filled : filled + len(piece)] = piece
            filled += len(piece)
        assert filled == len(fetched) == total_bytes(ranges)
        start = 0
        for wanted in ranges:
            end = start + total_bytes([wanted])
            self._parts.append((wanted, memoryview(fetched)[start:end]))
            start = end

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position, as in any file."""
        self._position = offset + (0, self._position, self._file.size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the position, at which the next read begins."""
        return self._position

    def read(self, size: int) -> memoryview:
        """Read `size` bytes; raises OSError if they were not fetched."""
        start, end = self._position, self._position + size
        # The parts are in order: the last one that begins here or before.
        place = bisect_right(self._parts, start, key=_start) - 1
        if place >= 0 and end <= self._parts[place][0][1]:
            (first, _), data = self._parts[place]
            self._position = end
            return data[start - first : end - first]
        raise OSError(f"the footer has no column at the bytes {start} to {end}")

    def close(self) -> None:
        """Drop the ranges."""
        self._parts = []
