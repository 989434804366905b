"""The one request to stop, and why."""

import asyncio


class Stop:
    """Set once, by a signal or by idleness, and never taken back."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._requested = asyncio.Event()

    def request(self, reason: str) -> None:
        """Ask the worker to stop; the first reason stays, but that a signal outranks idleness."""
        if self.reason in (None, "idle"):
            self.reason = reason
            self._requested.set()

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
