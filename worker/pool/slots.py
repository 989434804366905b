"""The slots of a pool: a job waits for one, and a large file takes those that nobody waits for."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, TypeVar

Slot = TypeVar("Slot")


class Slots(Generic[Slot]):
    """Hands out slots: to jobs in the order in which they came, and spare ones to large files."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._free = list(slots)  # the one that was given back last is taken first
        self._waiting: deque[asyncio.Future[Slot]] = deque()

    @property
    def are_wanted(self) -> bool:
        """Whether a job waits for a slot, so that spare ones are to be given back."""
        return bool(self._waiting)

    async def take(self) -> Slot:
        """Take the first slot that is free."""
        if self._free:
            return self._free.pop()
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(turn.result())
            else:
                with suppress(ValueError):  # `give_back` has passed over it
                    self._waiting.remove(turn)
            raise

    def take_spare(self) -> Slot | None:
        """Take a slot if one is free now; then no job waits for it."""
        return self._free.pop() if self._free else None

    def give_back(self, slot: Slot) -> None:
        """Give a slot to the job that has waited longest, if there is one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(slot)
                return
        self._free.append(slot)
