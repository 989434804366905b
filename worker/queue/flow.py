"""How much may be in hand: slots for messages, a buffer between, bytes for their files."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from worker.job import Message


class Slots:
    """Slots for messages: a receive asks for no more than can be taken in.

    Nobody gets any before `least` are free: a receive for each slot that frees is a call for each
    message. No processor waits for that while `count` exceeds `least` by one slot for each.
    """

    def __init__(self, count: int, least: int = 1) -> None:
        self._free = count
        self._least = least
        self._closed = False
        self._changed = asyncio.Event()

    async def reserve(self, limit: int) -> int:
        """Wait for free slots and take up to `limit`; 0 once closed."""
        while not self._closed:
            if self._free >= self._least:
                taken = min(self._free, limit)
                self._free -= taken
                return taken
            self._changed.clear()
            await self._changed.wait()
        return 0

    def give_back(self, count: int = 1) -> None:
        """Return slots that are free again."""
        self._free += count
        self._changed.set()

    def close(self) -> None:
        """Let nobody wait, and nobody in."""
        self._closed = True
        self._changed.set()


class Buffer:
    """Received messages that wait for a processor; the permits bound it."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, messages: Sequence[Message]) -> None:
        """Add a batch, all at once: a cancelled wait must not orphan the rest of it."""
        self._messages.extend(messages)
        self._changed.set()

    async def get(self) -> Message | None:
        """Take the oldest, waiting for one; None once closed, whatever is left."""
        while not self._closed:
            if self._messages:
                return self._messages.popleft()
            self._changed.clear()
            await self._changed.wait()
        return None

    def close(self) -> None:
        """Start nothing any more."""
        self._closed = True
        self._changed.set()

    def take_all(self) -> list[Message]:
        """Empty the buffer: what was received and never started."""
        messages = list(self._messages)
        self._messages.clear()
        return messages


class Reservation:
    """Bytes of the budget that one job holds."""

    def __init__(self, budget: "ByteBudget", held: int) -> None:
        self._budget = budget
        self.held = held

    def correct(self, size: int) -> None:
        """Hold what is really needed, now that it is known; others wait, this job does not."""
        size = max(1, size)  # an empty file takes its place too
        self._budget.take(size - self.held)
        self.held = size


class ByteBudget:
    """Bytes that all jobs together may hold; the first to ask is the first to get."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    def take(self, size: int) -> None:
        """Count bytes as used, or with a negative size as free."""
        self._used += size
        self._changed.set()

    @asynccontextmanager
    async def reserve(self, size: int) -> AsyncIterator[Reservation]:
        """Hold bytes for the length of the block; more than there are means all of them.

        Who holds all of them is alone: an empty file takes its place too.
        """
        size = max(1, min(size, self.limit))
        async with self._turn:
            while self._used + size > self.limit and self._used:
                self._changed.clear()
                await self._changed.wait()
            self.take(size)
        reservation = Reservation(self, size)
        try:
            yield reservation
        finally:
            self.take(-reservation.held)
