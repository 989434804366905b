"""The time limit of the start, which names what the start was waiting for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.errors import FatalError
from worker.lifecycle.stop import Stop
from worker.service.phases import Phases

START_SECONDS = 600.0  # a worker that has not started by then would hold its task for ever


class StartLimit:
    """Limits the time of the start; each phase of the start says what it is about to wait for."""

    def __init__(self, phases: Phases) -> None:
        self._phases = phases
        self._awaited = "nothing yet"

    def waits_for(self, what: str, *, phase: str) -> None:
        """Begin a phase, and note what it is about to wait for."""
        self._phases.begin(phase)
        self._awaited = what

    def seconds(self) -> dict[str, object]:
        """End the last phase; returns the seconds of all phases, as fields of a log line."""
        self._phases.end()
        return {"seconds": self._phases.total, "phases": self._phases.seconds}

    @asynccontextmanager
    async def applied(self, stop: Stop) -> AsyncIterator[None]:
        """Cancel the block when the time is over; requests a stop and raises FatalError then."""
        limit = asyncio.timeout(START_SECONDS)
        try:
            async with limit:
                yield
        except Exception as error:
            if not limit.expired():
                raise
            message = (
                f"the start took longer than {START_SECONDS:g} s: it was waiting for "
                f"{self._awaited}"
            )
            stop.request(f"failed: {message}")  # the watchdog limits the time from here on
            raise FatalError(message) from error
