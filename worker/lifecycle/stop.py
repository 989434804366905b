"""The one request to stop, and why."""

import asyncio
from collections.abc import Callable, Sequence


class Stop:
    """Set once, by a signal, by idleness or by a failure, and never taken back."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.signalled = False
        # Ids of the messages that an end without a drain leaves to their visibility timeout; asked
        # from other threads too.
        self.in_hand: Callable[[], Sequence[str]] = tuple
        self._requested = asyncio.Event()

    def request(self, reason: str) -> None:
        """Ask the worker to stop; the first reason stays, but that any other outranks idleness."""
        if self.reason in (None, "idle"):
            self.reason = reason
            self._requested.set()

    def signal(self, name: str) -> bool:
        """Ask by a signal; False when one has asked before, whatever else has."""
        first, self.signalled = not self.signalled, True
        self.request(name)
        return first

    async def wait(self) -> None:
        """Wait until a stop is requested."""
        await self._requested.wait()

    async def wait_for(self, seconds: float) -> None:
        """Sleep, but not past a stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._requested.wait()
        except TimeoutError:
            pass
