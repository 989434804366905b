"""The request to stop the worker, with its reason."""

import asyncio
from collections.abc import Callable, Sequence


class Stop:
    """A request to stop, by a signal, by idleness or by a failure; it is never withdrawn."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.signalled = False
        # The ids of the messages in hand. A hard stop logs them, also from another thread, because
        # they stay invisible until their visibility timeout ends.
        self.in_hand: Callable[[], Sequence[str]] = tuple
        self._requested = asyncio.Event()

    def request(self, reason: str) -> None:
        """Request a stop. The first reason stays, except that any reason replaces "idle"."""
        if self.reason in (None, "idle"):
            self.reason = reason
            self._requested.set()

    def signal(self, name: str) -> bool:
        """Request a stop by a signal; returns False if an earlier signal has requested one."""
        first, self.signalled = not self.signalled, True
        self.request(name)
        return first

    async def wait(self) -> None:
        """Wait until a stop is requested."""
        await self._requested.wait()

    async def wait_for(self, seconds: float) -> None:
        """Wait until a stop is requested, but no longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._requested.wait()
        except TimeoutError:
            pass
