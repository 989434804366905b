"""The channel between a pool process and its parent: its protocol, and both of its ends.

The parent sends an assignment, then the first bytes of the file, then each piece of the ranges that
the process asks for, preceded by its size. Before each assignment it sends a size of zero, which
ends the pieces of the job before. The process sends pickled objects, each preceded by its size:
None when it has taken the assignment, the ranges that it asks for, the pieces that it writes, and
the outcome. One part of a large file is assigned in the same way, without first bytes; with a part
of a compressed file its text comes instead.

Every message that has to be waited for costs two switches between processes, so a small file takes
one message there, and two back.
"""

import asyncio
import io
import pickle
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from worker.errors import NeedsMemory, TidegateError, stray_cancellations_as_errors
from worker.interfaces import (
    AsyncRangeReader,
    CutPart,
    FilePlan,
    OutputForm,
    OutputPiece,
    Part,
    PartMessage,
    PartResult,
    Range,
    ScoreOptions,
    ScoreResult,
)
from worker.lifecycle.supervision import cancel_all

SIZE = struct.Struct("!Q")
END = SIZE.pack(0)
MAX_PIECE_BYTES = 1 << 20  # the parent holds one whole piece of an output
CHUNK_BYTES = 1 << 16  # the least that the parent reads at once


Outcome = ScoreResult | FilePlan | PartResult | CutPart | TidegateError
"""The last object that a process sends for a job."""


@dataclass(frozen=True)
class PlannedPart:
    """One part of a large file, and the plan of the file."""

    part: Part
    plan: FilePlan


@dataclass(frozen=True)
class PlannedCut:
    """The next part of a compressed file, whose text is to be unpacked and written."""

    start: int
    plan: FilePlan


@dataclass(frozen=True)
class Assignment:
    """A file to predict, or one part of it; the first `first` bytes of the file follow at once."""

    options: ScoreOptions
    size: int
    first: int
    planned: PlannedPart | PlannedCut | None = None  # None: the whole file
    alone: bool = False  # whether no other process can help with the file


@dataclass(frozen=True)
class ReadRequest:
    """Ranges of the file that the parent is to send."""

    ranges: Sequence[Range]


class ChildChannel:
    """Implements worker.interfaces.InputReader, OutputSink and PartSink for the job under way."""

    def __init__(self, stream: io.BufferedRWPair) -> None:
        self._stream = stream
        self._piece_left = 0  # bytes to be received of the piece under way
        self._unread = 0  # bytes to be received of the ranges that were requested last

    def next_job(self) -> Assignment:
        """Wait for a job; raises EOFError when the parent has no more."""
        self.first = b""  # it may wait for long
        while self._next_piece():  # pieces that the job before has requested and not read
            pass
        assignment: Assignment = pickle.load(self._stream)  # noqa: S301 - from our own parent
        # Confirmed before the file is read: if the process dies earlier, this job is not the cause.
        self.send(None)
        self.size = assignment.size
        self.first = self._receive(assignment.first)
        self._reserved = assignment.options.reserved_bytes
        self._unread = 0
        return assignment

    def send(self, value: object) -> None:
        """Send an object that the parent may be waiting for."""
        self._buffer(value)
        self._stream.flush()

    def _buffer(self, value: object) -> None:
        """Buffer an object, to be sent with the next one: each flush wakes the parent."""
        frame = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._stream.write(SIZE.pack(len(frame)))
        self._stream.write(frame)

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        """Yield the bytes of the ranges in order, in pieces of any length."""
        while self._unread:  # of the read before
            self._unread -= len(self._next_piece())
        self._unread = sum(stop - start for start, stop in ranges)
        if self._unread:
            self.send(ReadRequest(ranges))
        while self._unread:
            piece = self._next_piece()
            self._unread -= len(piece)
            yield piece

    def reserve(self, size: int) -> None:
        """Make sure that the job has reserved this many bytes; raises NeedsMemory if not."""
        if size > self._reserved:
            raise NeedsMemory(str(size))

    def open(self, form: OutputForm) -> None:
        """Announce the kind of the output."""
        self._buffer(form)
        if len(self.first) < self.size:
            self._stream.flush()  # the parent checks first whether a large file's output exists

    def write(self, data: bytes) -> None:
        """Append to the output."""
        self._send_pieces(data, rejects=False)

    def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows."""
        self._send_pieces(data, rejects=True)

    def send_part(self, message: PartMessage) -> None:
        """Send a message about the part under way."""
        if isinstance(message, OutputPiece):
            self._send_pieces(message.data, rejects=message.rejects)
        else:
            self._buffer(message)

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


class ParentChannel:
    """Reads and writes a socket. A cancellation may interrupt either: close the channel then.

    Its methods raise OSError or EOFError if the process has ended.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._received = bytearray()
        self._missing = 0  # bytes to be received for the next object, at least

    @property
    def is_open(self) -> bool:
        """Whether this end is open, though the process may have ended."""
        return self._socket.fileno() >= 0

    async def assign(self, assignment: Assignment, first: bytes) -> None:
        """Send a job with the first bytes of its file, and wait until the process has taken it."""
        # If it cannot be sent, the answer shows whether the process has ended before or after that.
        with suppress(OSError):
            await self._send(END + pickle.dumps(assignment) + first[:CHUNK_BYTES])
            if len(first) > CHUNK_BYTES:
                await self._send(memoryview(first)[CHUNK_BYTES:])
        await self.receive()

    async def converse(
        self, reader: AsyncRangeReader, take: Callable[[object], Awaitable[None]]
    ) -> Outcome:
        """Serve the process until it has the outcome of its job, and return that.

        `take` gets what else the process sends, and may make the process wait.
        """
        async with RangeSender(reader, self._send_piece) as sender:
            outcome = await self._serve(sender, take)
            await sender.finish()
        return outcome

    async def receive(self) -> object:
        """Wait for the next object from the process."""
        loop = asyncio.get_running_loop()
        while (frame := self._next_frame()) is None:
            if self._missing > CHUNK_BYTES:
                frame = await self._receive_large()
                break
            received = await loop.sock_recv(self._socket, CHUNK_BYTES)
            if not received:
                raise EOFError
            self._received += received
        return pickle.loads(frame)  # noqa: S301 - from a process of ours

    def _next_frame(self) -> bytearray | None:
        """Take a frame that is whole; otherwise note how many bytes are missing at least."""
        end = SIZE.size
        if len(self._received) >= end:
            end += SIZE.unpack_from(self._received)[0]
        self._missing = end - len(self._received)
        if self._missing > 0:
            return None
        frame = self._received[SIZE.size : end]
        del self._received[:end]
        return frame

    def shut_down(self, how: int) -> None:
        """Shut down one or both directions: the other end reads no more than was sent."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    async def _serve(
        self, sender: "RangeSender", take: Callable[[object], Awaitable[None]]
    ) -> Outcome:
        while True:
            match await self.receive():
                case ReadRequest(ranges):
                    sender.request(ranges)
                case (
                    ScoreResult() | FilePlan() | PartResult() | CutPart() | TidegateError()
                ) as outcome:
                    return outcome
                case message:
                    await take(message)

    async def _send_piece(self, piece: bytes) -> None:
        await self._send(SIZE.pack(len(piece)))
        await self._send(piece)

    async def _send(self, data: bytes | memoryview) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _receive_large(self) -> bytearray:
        """Receive the rest of a frame in the place where it stays, as it is large."""
        loop = asyncio.get_running_loop()
        filled = len(self._received) - SIZE.size
        frame = bytearray(filled + self._missing)
        frame[:filled] = self._received[SIZE.size :]
        self._received.clear()
        with memoryview(frame) as view:
            while filled < len(frame):
                count = await loop.sock_recv_into(self._socket, view[filled:])
                if not count:
                    raise EOFError
                filled += count
        return frame


class RangeSender:
    """Sends the ranges that the process asks for, in order, beside the block that serves it.

    If the ranges cannot be read or sent, the block is cancelled and raises that error.
    """

    def __init__(
        self, reader: AsyncRangeReader, send_piece: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self._reader = reader
        self._send_piece = send_piece
        self._requests: asyncio.Queue[Sequence[Range]] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None
        self._piece: asyncio.Future[None] | None = None
        self._failure: Exception | None = None
        self._ending = False

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._block = task
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._ending = True
        # `_send` cancelled the block once. A second cancellation comes from the worker's stop.
        failed = self._failure is not None and self._block.uncancel() == 0
        tasks = [task for task in (self._sending, self._piece) if task is not None]
        await cancel_all(tasks)
        # A cancelled task keeps its frames, and so the piece: they must not refer to the task.
        self._sending = self._piece = None
        if failed and self._failure is not None:
            raise self._failure from None

    def request(self, ranges: Sequence[Range]) -> None:
        """Send these ranges once those requested before are sent."""
        self._requests.put_nowait(ranges)
        if self._sending is None:  # no task for small files, which request nothing
            self._sending = asyncio.create_task(self._send(), name="ranges")

    async def finish(self) -> None:
        """Stop after the piece under way: the process would take half a piece for a whole one."""
        self._ending = True
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        if self._piece is not None:
            await self._piece

    async def _send(self) -> None:
        try:
            with stray_cancellations_as_errors():
                await self._send_requested()
        except Exception as error:  # noqa: BLE001 - whatever it is, the block raises it
            if not self._ending:
                self._failure = error
                self._block.cancel()

    async def _send_requested(self) -> None:
        while True:
            await self._send_ranges(await self._requests.get())

    async def _send_ranges(self, ranges: Sequence[Range]) -> None:
        # In a frame of its own: the wait for the next request must not hold on to the last piece.
        async with aclosing(self._reader.read(ranges)) as pieces:
            async for piece in pieces:
                self._piece = asyncio.ensure_future(self._send_piece(piece))
                await asyncio.shield(self._piece)
