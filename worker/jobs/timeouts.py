"""Job timeouts: the time limit of each job, and the detection of jobs that do not end after it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from worker.clock import now
from worker.errors import FatalError, TransientError

CHECK_SECONDS = 10.0
GRACE_CHECKS = 6  # in which a job past its time limit may end; after them nothing ends it


class JobTimeout:
    """The time limit of one job; paused while the job waits for memory or a pool process."""

    def __init__(self, job: str, timeout: asyncio.Timeout) -> None:
        self.job = job
        self._timeout = timeout
        self._overdue_checks = 0

    def pause(self) -> Callable[[], None]:
        """Pause until the returned function is called: other jobs' time does not count."""
        end = self._timeout.when()
        assert end is not None
        seconds_left = end - now()
        self._timeout.reschedule(None)
        return lambda: self._timeout.reschedule(now() + seconds_left)

    def is_wedged(self) -> bool:
        """Check once more; returns whether too many checks in a row found the job overdue.

        Checks are counted and not seconds: when a suspended process resumes, every timeout has
        expired at once.
        """
        end = self._timeout.when()
        self._overdue_checks = self._overdue_checks + 1 if end is not None and now() > end else 0
        return self._overdue_checks > GRACE_CHECKS


class JobTimeouts:
    """The time limits of all jobs under way."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._under_way: dict[JobTimeout, None] = {}

    @asynccontextmanager
    async def limit(self, job: str) -> AsyncIterator[JobTimeout]:
        """Cancel the block when its time is over; raises TransientError then."""
        try:
            async with asyncio.timeout(self._seconds) as timeout:
                job_timeout = JobTimeout(job, timeout)
                self._under_way[job_timeout] = None
                try:
                    yield job_timeout
                finally:
                    del self._under_way[job_timeout]
        except TimeoutError as error:
            raise TransientError(
                f"{job} took longer than WORKER_JOB_SECONDS ({self._seconds:g})"
            ) from error

    async def watch(self) -> None:
        """Watch for a job that its timeout does not end; raises FatalError naming the job."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for job_timeout in self._under_way:
                if job_timeout.is_wedged():
                    raise FatalError(
                        f"a processor is wedged: {job_timeout.job} was cancelled more than "
                        f"{GRACE_CHECKS * CHECK_SECONDS:g} s ago and has not ended"
                    )
