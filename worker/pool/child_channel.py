"""The line between a pool process and its parent: what is said on it, and the process's end of it.

The parent sends an assignment, then the first bytes of the file, then piece by piece what the
process asks to read, each after its size, and a size of zero when it has heard the outcome. The
process answers in pickles of known size: that it has the assignment, what it reads and writes, and
the outcome.
"""

import io
import pickle
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.errors import NeedsMemory
from worker.interfaces import OutputForm, Range, ScoreOptions

SIZE = struct.Struct("!Q")
END = SIZE.pack(0)
LONGEST_PIECE = 1 << 20  # of an output: the parent holds a whole one; and as it is read here


@dataclass(frozen=True, slots=True)
class Assignment:
    """One file to predict; `first` bytes of it follow at once."""

    options: ScoreOptions
    size: int
    first: int


@dataclass(frozen=True, slots=True)
class Read:
    """Bytes to be sent."""

    ranges: Sequence[Range]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of an output, or of its rejected rows."""

    data: bytes
    rejects: bool


class ChildChannel:
    """The process's end: implements worker.interfaces's Blob and Outlet for the file under way."""

    def __init__(self, stream: io.BufferedRWPair) -> None:
        self._stream = stream
        self._left = 0  # to be received of the piece under way

    def take(self) -> ScoreOptions:
        """Wait for a file to do; raises EOFError when there will be none."""
        given: Assignment = pickle.load(self._stream)  # noqa: S301 - from our own parent
        # Before the file is read: a process that dies without this answer did not die of the job.
        self.say(None)
        self.size = given.size
        self.first = self._receive(given.first)
        self._reserved = given.options.reserved_bytes
        return given.options

    def say(self, answer: object) -> None:
        """Tell the parent, who may be waiting for it."""
        self._add(answer)
        self._stream.flush()

    def _add(self, answer: object) -> None:
        """Say something with what is said next: each wakes the parent, and most files are small."""
        frame = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
        self._stream.write(SIZE.pack(len(frame)))
        self._stream.write(frame)

    def end(self, outcome: object) -> None:
        """Say what came of the file, and pass over what was asked for and not read."""
        self.say(outcome)
        while self._piece():
            pass

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """The bytes of the ranges, in order, in pieces of any length."""
        left = sum(stop - start for start, stop in ranges)
        if left:
            self.say(Read(ranges))
        while left:
            piece = self._piece()
            left -= len(piece)
            yield piece

    def reserve(self, size: int) -> None:
        """See to it that so many bytes are this file's; raises NeedsMemory when they are not."""
        if size > self._reserved:
            raise NeedsMemory(str(size))

    def open(self, form: OutputForm) -> None:
        """Say what the output will be."""
        self._add(form)
        if len(self.first) < self.size:
            self._stream.flush()  # a large file's may be there already, and all else in vain

    def write(self, data: bytes) -> None:
        """Add to the output."""
        self._send(data, rejects=False)

    def reject(self, data: bytes) -> None:
        """Add to the file of rejected rows."""
        self._send(data, rejects=True)

    def _send(self, data: bytes, *, rejects: bool) -> None:
        for start in range(0, len(data), LONGEST_PIECE):
            self._add(Piece(data[start : start + LONGEST_PIECE], rejects))

    def _piece(self) -> bytes:
        if not self._left:
            (self._left,) = SIZE.unpack(self._receive(SIZE.size))
        piece = self._receive(min(self._left, LONGEST_PIECE))
        self._left -= len(piece)
        return piece

    def _receive(self, size: int) -> bytes:
        received = self._stream.read(size)
        if len(received) < size:
            raise EOFError
        return received
