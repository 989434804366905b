"""The parent's end of the channel to a pool process, and the sender of the ranges it asks for."""

import asyncio
import pickle
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self

from worker.interfaces import AsyncInputReader, AsyncOutputSink, OutputForm, Range
from worker.pool.child_channel import END, SIZE, Assignment, OutputPiece, ReadRequest

CHUNK_BYTES = 1 << 16


class ParentChannel:
    """Reads and writes of a socket. A cancellation may end them half-way: close the channel then.

    Its methods raise OSError or EOFError if the process has ended.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._received = bytearray()

    @property
    def is_open(self) -> bool:
        """Whether this end is open, though the process may have ended."""
        return self._socket.fileno() >= 0

    async def assign(self, assignment: Assignment) -> None:
        """Send a job, whose first bytes must follow, and wait until the process has taken it."""
        await self._send(pickle.dumps(assignment))
        await self.receive()

    async def converse(self, reader: AsyncInputReader, output: AsyncOutputSink) -> object:
        """Send the file's first bytes, then serve the process; returns its outcome."""
        async with RangeSender(reader, self._send_piece) as sender:
            await self._send(reader.first)
            outcome = await self._serve(sender, output)
            await sender.finish()
            await self._send(END)
        return outcome

    async def receive(self) -> object:
        """Wait for the next object from the process."""
        (size,) = SIZE.unpack(await self._read(SIZE.size))
        return pickle.loads(await self._read(size))  # noqa: S301 - from a process of ours

    def shut_down(self, how: int) -> None:
        """Shut down one or both directions: the other end reads no more than was sent."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    async def _serve(self, sender: "RangeSender", output: AsyncOutputSink) -> object:
        while True:
            match await self.receive():
                case ReadRequest(ranges):
                    sender.request(ranges)
                case OutputForm() as form:
                    await output.open(form)
                case OutputPiece(data, rejects=False):
                    await output.write(data)
                case OutputPiece(data):
                    await output.reject(data)
                case outcome:
                    return outcome

    async def _send_piece(self, piece: bytes) -> None:
        await self._send(SIZE.pack(len(piece)))
        await self._send(piece)

    async def _send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _read(self, size: int) -> bytearray:
        loop = asyncio.get_running_loop()
        while (missing := size - len(self._received)) > 0:
            received = await loop.sock_recv(self._socket, max(missing, CHUNK_BYTES))
            if not received:
                raise EOFError
            self._received += received
        data = self._received[:size]
        del self._received[:size]
        return data


class RangeSender:
    """Sends the ranges that the process asks for, in order, beside the block that serves it.

    If the ranges cannot be read or sent, the block is cancelled and raises that error.
    """

    def __init__(
        self, reader: AsyncInputReader, send_piece: Callable[[bytes], Awaitable[None]]
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
        # One cancellation is from here. If there is another, the worker is stopping as well.
        failed = self._failure is not None and self._block.uncancel() == 0
        tasks = [task for task in (self._sending, self._piece) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
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
            while True:
                async with aclosing(self._reader.read(await self._requests.get())) as pieces:
                    async for piece in pieces:
                        self._piece = asyncio.ensure_future(self._send_piece(piece))
                        await asyncio.shield(self._piece)
        except Exception as error:  # noqa: BLE001 - whatever it is, the block raises it
            if not self._ending:
                self._failure = error
                self._block.cancel()
