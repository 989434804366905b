"""Flow control of messages: free slots limit a receive, and a buffer holds what was received."""

import asyncio
from collections import deque
from collections.abc import Sequence

from worker.job import Message


class Slots:
    """Room for messages in hand: a receive asks for no more messages than there are free slots.

    No slot is given out before `least` slots are free: otherwise each slot that becomes free would
    cost one receive for one message. Every processor still gets messages if `count` is at least
    `least` plus the number of processors.
    """

    def __init__(self, count: int, least: int = 1) -> None:
        self._free = count
        self._least = least
        self._closed = False
        self._changed = asyncio.Event()

    async def reserve(self, limit: int) -> int:
        """Wait for free slots and reserve up to `limit` of them; returns 0 once closed."""
        while not self._closed:
            if self._free >= self._least:
                reserved = min(self._free, limit)
                self._free -= reserved
                return reserved
            self._changed.clear()
            await self._changed.wait()
        return 0

    def give_back(self, count: int = 1) -> None:
        """Return slots that are free again."""
        self._free += count
        self._changed.set()

    def close(self) -> None:
        """Reserve no more slots, and end the waits."""
        self._closed = True
        self._changed.set()


class Buffer:
    """Received messages that wait for a processor; the slots limit how many there are."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._closed = False
        self._changed = asyncio.Event()

    def put(self, messages: Sequence[Message]) -> None:
        """Add a whole batch without waiting: a cancelled wait would lose the rest of the batch."""
        self._messages.extend(messages)
        self._changed.set()

    async def get(self) -> Message | None:
        """Wait for the oldest message and take it; returns None once closed, even if not empty."""
        while not self._closed:
            if self._messages:
                return self._messages.popleft()
            self._changed.clear()
            await self._changed.wait()
        return None

    def close(self) -> None:
        """Hand out no more messages."""
        self._closed = True
        self._changed.set()

    def take_all(self) -> list[Message]:
        """Empty the buffer and return the messages, none of which was started."""
        messages = list(self._messages)
        self._messages.clear()
        return messages
