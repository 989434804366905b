"""The parent's end of the channel to a pool process, and the ranges that it sends there."""

import asyncio
import pickle
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from worker.interfaces import AsyncInputReader, AsyncOutputSink, OutputForm, Range
from worker.pool.child_channel import END, SIZE, Assignment, Piece, Read

Say = Callable[[bytes], Awaitable[None]]


class RangeSender:
    """Sends the pieces of each range asked for, in order; `cut` breaks the line when that fails."""

    def __init__(self, reader: AsyncInputReader, say: Say, cut: Callable[[], None]) -> None:
        self._blob = reader
        self._say = say
        self._cut = cut
        self._asked: asyncio.Queue[Sequence[Range]] = asyncio.Queue()
        self._sending: asyncio.Task[None] | None = None
        self._piece: asyncio.Future[None] | None = None
        self.failure: Exception | None = None

    def ask(self, ranges: Sequence[Range]) -> None:
        """Send these when what was asked for before has been sent."""
        self._asked.put_nowait(ranges)
        if self._sending is None:  # a small file asks for nothing
            self._sending = asyncio.create_task(self._send(), name="feed")

    async def end(self) -> None:
        """Send no more than the piece under way: half a piece would be taken for a whole one."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])
        if self._piece is not None:
            await self._piece

    async def abandon(self) -> None:
        """Stop in the middle of a piece, if it has not ended; the line is good for nothing then."""
        tasks = [task for task in (self._sending, self._piece) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self) -> None:
        try:
            while True:
                async with aclosing(self._blob.read(await self._asked.get())) as pieces:
                    async for piece in pieces:
                        self._piece = asyncio.ensure_future(self._say(piece))
                        await asyncio.shield(self._piece)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where one listens
            self.failure = error
            self._cut()


CHUNK_BYTES = 1 << 16


class ParentChannel:
    """Plain reads and writes, which a cancellation can end, and then the line is of no use.

    Its methods raise OSError or EOFError when the process is gone.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._heard = bytearray()

    @property
    def is_open(self) -> bool:
        """Whether it was not closed on this end, though the other may be gone."""
        return self._line.fileno() >= 0

    async def hand_over(self, assignment: Assignment) -> None:
        """Give the process a file to do, whose beginning must follow; wait until it has it."""
        await self._say(pickle.dumps(assignment))
        await self.hear()

    async def converse(
        self, feed: RangeSender, reader: AsyncInputReader, output: AsyncOutputSink
    ) -> object:
        """Send the file's beginning, then do what the process asks for; answer with the outcome."""
        try:
            await self._say(reader.first)
            outcome = await self._listen(feed, output)
            await feed.end()
            await self._say(END)
        finally:
            await feed.abandon()  # before the line is closed that it writes to
        return outcome

    async def say_piece(self, piece: bytes) -> None:
        """Send a piece of what the process asked to read."""
        await self._say(SIZE.pack(len(piece)))
        await self._say(piece)

    async def hear(self) -> object:
        """Wait for what the process has to say."""
        (size,) = SIZE.unpack(await self._read(SIZE.size))
        return pickle.loads(await self._read(size))  # noqa: S301 - from a process of ours

    def shut_down(self, how: int) -> None:
        """Let the process, or us, read no more than was sent."""
        self._line.shutdown(how)

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    async def _listen(self, feed: RangeSender, output: AsyncOutputSink) -> object:
        while True:
            match await self.hear():
                case Read(ranges):
                    feed.ask(ranges)
                case OutputForm() as form:
                    await output.open(form)
                case Piece(data, rejects=False):
                    await output.write(data)
                case Piece(data):
                    await output.reject(data)
                case outcome:
                    return outcome

    async def _say(self, message: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._line, message)

    async def _read(self, size: int) -> bytearray:
        loop = asyncio.get_running_loop()
        while (missing := size - len(self._heard)) > 0:
            received = await loop.sock_recv(self._line, max(missing, CHUNK_BYTES))
            if not received:
                raise EOFError
            self._heard += received
        message = self._heard[:size]
        del self._heard[:size]
        return message
