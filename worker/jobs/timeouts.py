"""The time that each job under way has left, and the jobs that do not end when it is over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from worker.clock import now
from worker.errors import FatalError, TransientError

LOOK_SECONDS = 10.0
GRACE_LOOKS = 6  # to wind up in once the time is over; more means that nothing ends it


class JobTimeout:
    """One attempt at a job; its clock stands still while it waits for its turn."""

    def __init__(self, what: str, clock: asyncio.Timeout) -> None:
        self.what = what
        self._clock = clock
        self._looks = 0  # at which its time was over

    def waits(self) -> Callable[[], None]:
        """Stop the clock until the returned function is called: other files' time is not ours."""
        end = self._clock.when()
        assert end is not None
        left = end - now()
        self._clock.reschedule(None)
        return lambda: self._clock.reschedule(now() + left)

    def is_wedged(self) -> bool:
        """Look once more; tell whether its time has been over for too many looks.

        Looks, as a process that was suspended finds its clocks run down all at once.
        """
        end = self._clock.when()
        self._looks = self._looks + 1 if end is not None and now() > end else 0
        return self._looks > GRACE_LOOKS


class JobTimeouts:
    """All attempts under way."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._under_way: dict[JobTimeout, None] = {}

    @asynccontextmanager
    async def limited(self, what: str) -> AsyncIterator[JobTimeout]:
        """Cancel the block when its time is over; raises TransientError then."""
        try:
            async with asyncio.timeout(self._seconds) as clock:
                attempt = JobTimeout(what, clock)
                self._under_way[attempt] = None
                try:
                    yield attempt
                finally:
                    del self._under_way[attempt]
        except TimeoutError as error:
            raise TransientError(
                f"{what} took longer than WORKER_JOB_SECONDS ({self._seconds:g})"
            ) from error

    async def watched(self) -> None:
        """Watch for a job that its own clock cannot end; raises FatalError naming it."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for attempt in self._under_way:
                if attempt.is_wedged():
                    raise FatalError(
                        f"a processor is wedged: {attempt.what} was told to end more than "
                        f"{GRACE_LOOKS * LOOK_SECONDS:g} s ago, and goes on"
                    )
