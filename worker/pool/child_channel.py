"""The pool process's end of the channel to its parent, and the protocol of the channel.

The parent sends an assignment, then the first bytes of the file, then each piece of the ranges that
the process asks for, preceded by its size; and a size of zero once it has the outcome. The process
sends pickled objects, each preceded by its size: None when it has taken the assignment, the ranges
that it asks for, the pieces that it writes, and the outcome.
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
MAX_PIECE_BYTES = 1 << 20  # the parent holds one whole piece of an output


@dataclass(frozen=True, slots=True)
class Assignment:
    """One file to predict; the first `first` bytes of it follow at once."""

    options: ScoreOptions
    size: int
    first: int


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Ranges of the file that the parent is to send."""

    ranges: Sequence[Range]


@dataclass(frozen=True, slots=True)
class OutputPiece:
    """Bytes of the output, or of its rejected rows."""

    data: bytes
    rejects: bool


class ChildChannel:
    """Implements worker.interfaces.InputReader and OutputSink for the file under way."""

    def __init__(self, stream: io.BufferedRWPair) -> None:
        self._stream = stream
        self._piece_left = 0  # bytes to be received of the piece under way

    def next_job(self) -> ScoreOptions:
        """Wait for a file to predict; raises EOFError when the parent has no more."""
        assignment: Assignment = pickle.load(self._stream)  # noqa: S301 - from our own parent
        # Sent before the file is read: a process that dies earlier did not die of this job.
        self.send(None)
        self.size = assignment.size
        self.first = self._receive(assignment.first)
        self._reserved = assignment.options.reserved_bytes
        return assignment.options

    def send(self, value: object) -> None:
        """Send an object that the parent may be waiting for."""
        self._buffer(value)
        self._stream.flush()

    def _buffer(self, value: object) -> None:
        """Send an object together with the next one: each flush wakes the parent."""
        frame = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._stream.write(SIZE.pack(len(frame)))
        self._stream.write(frame)

    def finish(self, outcome: object) -> None:
        """Send the outcome of the file, and skip the pieces that were requested and not read."""
        self.send(outcome)
        while self._next_piece():
            pass

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of the ranges in order, in pieces of any length."""
        left = sum(stop - start for start, stop in ranges)
        if left:
            self.send(ReadRequest(ranges))
        while left:
            piece = self._next_piece()
            left -= len(piece)
            yield piece

    def reserve(self, size: int) -> None:
        """Make sure that the job has reserved this many bytes; raises NeedsMemory if not."""
        if size > self._reserved:
            raise NeedsMemory(str(size))

    def open(self, form: OutputForm) -> None:
        """Announce the kind of the output."""
        self._buffer(form)
        if len(self.first) < self.size:
            self._stream.flush()  # the parent looks first whether a large file's output exists

    def write(self, data: bytes) -> None:
        """Append to the output."""
        self._send_pieces(data, rejects=False)

    def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows."""
        self._send_pieces(data, rejects=True)

    def _send_pieces(self, data: bytes, *, rejects: bool) -> None:
        for start in range(0, len(data), MAX_PIECE_BYTES):
            self._buffer(OutputPiece(data[start : start + MAX_PIECE_BYTES], rejects))

    def _next_piece(self) -> bytes:
        if not self._piece_left:
            (self._piece_left,) = SIZE.unpack(self._receive(SIZE.size))
        piece = self._receive(min(self._piece_left, MAX_PIECE_BYTES))
        self._piece_left -= len(piece)
        return piece

    def _receive(self, size: int) -> bytes:
        received = self._stream.read(size)
        if len(received) < size:
            raise EOFError
        return received
