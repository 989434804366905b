"""A pool process's input and output in memory."""

from collections.abc import Iterator, Sequence
from itertools import cycle

from worker.interfaces import OutputForm, Range


class MemoryInput:
    """Implements worker.interfaces.InputReader.

    Has the first `first` bytes (None: all) at once; the rest is read in pieces of these sizes.
    """

    def __init__(
        self, data: bytes, *, first: int | None = None, pieces: Sequence[int] = (2**16,)
    ) -> None:
        self.size = len(data)
        self.first = data[:first]
        self.asked: list[Range] = []
        self.reserved: list[int] = []
        self._data = data
        self._pieces = pieces
        self._reads = 0

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        assert all(0 <= start < end <= self.size for start, end in ranges)
        self._reads += 1
        self.asked += ranges
        return self._read(ranges, self._reads)

    def _read(self, ranges: Sequence[Range], number: int) -> Iterator[bytes]:
        sizes = cycle(self._pieces)
        for start, end in ranges:
            position = start
            while position < end:
                assert number == self._reads, "a read went on after a later one had begun"
                piece = self._data[position : min(end, position + next(sizes))]
                position += len(piece)
                yield piece

    def reserve(self, size: int) -> None:
        self.reserved.append(size)


class MemoryOutput:
    """Implements worker.interfaces.OutputSink: keeps what is written."""

    def __init__(self) -> None:
        self.form: OutputForm | None = None
        self.written: list[bytes] = []
        self.rejected: list[bytes] = []

    def open(self, form: OutputForm) -> None:
        assert self.form is None, "an output was opened twice"
        self.form = form

    def write(self, data: bytes) -> None:
        assert self.form is not None, "an output was written before it was opened"
        self.written.append(data)

    def reject(self, data: bytes) -> None:
        assert self.form is not None, "rows were rejected before the output was opened"
        self.rejected.append(data)

    @property
    def output(self) -> bytes:
        return b"".join(self.written)

    @property
    def rejects(self) -> bytes | None:
        return b"".join(self.rejected) if self.rejected else None
