"""How the work ends: at a deadline after the stop, or at once when a processor fails."""

import asyncio

import structlog

from worker.clock import now
from worker.errors import FatalError
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import Loop, supervise
from worker.service.wiring import Parts

log = structlog.get_logger()


class Shutdown:
    """Closes the worker, and has the clock run out that its task groups are under."""

    def __init__(self, worker: Parts, stop: Stop, clock: asyncio.Timeout) -> None:
        self._worker = worker
        self._stop = stop
        self._clock = clock
        self.failure: FatalError | None = None

    async def on_stop(self, finish_seconds: float) -> None:
        """Let nothing more in once a stop is requested; what is under way has until then."""
        try:
            await self._stop.wait()
        except asyncio.CancelledError:
            self._stop.request("failed")  # so that who watches over the end knows it has begun
            raise
        log.info("stopping", reason=self._stop.reason, in_hand=len(self._worker.leases))
        self._close()
        if self.failure is None:
            self._clock.reschedule(now() + finish_seconds)

    async def on_failure_of(self, name: str, loop: Loop) -> None:
        """Run a loop; when it fails, end as at the deadline: polls first, and only then the rest.

        Raised in the loop's own group, the failure would have the others give back what a poll
        under way brings straight back.
        """
        try:
            await supervise(name, loop)
        except FatalError as error:
            if self._clock.expired():
                raise
            self.failure = error
            self._stop.request(f"failed: {error}")
            self._close()
            self._clock.reschedule(now())

    def _close(self) -> None:
        self._worker.buffer.close()
        self._worker.slots.close()
        self._worker.idle.active.set()
