"""Shutdown: the work ends at a deadline after the stop, or at once if a processor fails."""

import asyncio

import structlog

from worker.clock import now
from worker.errors import FatalError
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import Loop, supervise
from worker.service.wiring import Worker

log = structlog.get_logger()


class Shutdown:
    """Closes the worker's intake, and sets the deadline of the worker's task groups."""

    def __init__(self, worker: Worker, stop: Stop, deadline: asyncio.Timeout) -> None:
        self._worker = worker
        self._stop = stop
        self._deadline = deadline
        self.failure: FatalError | None = None

    async def on_stop(self, finish_seconds: float) -> None:
        """Wait for the stop, then close the intake; jobs have until the deadline to finish."""
        try:
            await self._stop.wait()
        except asyncio.CancelledError:
            self._stop.request("failed")  # the watchdog limits the time from here on
            raise
        log.info("stopping", reason=self._stop.reason, in_hand=len(self._worker.leases))
        self._worker.close_intake()
        if self.failure is None:
            self._deadline.reschedule(now() + finish_seconds)

    async def on_failure_of(self, name: str, loop: Loop) -> None:
        """Run a loop. If it fails, shut down as at the deadline: first the polls, then the rest.

        Raised in the loop's own task group, the failure would make the other processors release
        messages that a poll under way receives again.
        """
        try:
            await supervise(name, loop)
        except FatalError as error:
            if self._deadline.expired():
                raise
            self.failure = error
            self._stop.request(f"failed: {error}")
            self._worker.close_intake()
            self._deadline.reschedule(now())
