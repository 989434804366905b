"""The ranges that a pool process asks for, on their way to it while it is listened to."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

from worker.blob import AsyncBlob, Range

Say = Callable[[bytes], Awaitable[None]]


class Feed:
    """Sends the pieces of each range asked for, in order; `cut` breaks the line when that fails."""

    def __init__(self, blob: AsyncBlob, say: Say, cut: Callable[[], None]) -> None:
        self._blob = blob
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
