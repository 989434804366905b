"""Limits of jobs: the bytes that one job reserves, the byte budget of all jobs, and a job's time.

A job streams: it holds some parts of its input ahead of the pool process, and of each of its
outputs a part that is being filled and a part that is being uploaded.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from worker.clock import now
from worker.errors import FatalError, TransientError
from worker.storage.streaming import HELD_PARTS, MAX_PARTS, READ_AHEAD

PART_BYTES = 5 << 20  # the smallest part that S3 accepts: each file holds several
EXPECTED_GROWTH = 2  # an output of up to so many times its input fits into MAX_PARTS parts
CHECK_SECONDS = 10.0
GRACE_CHECKS = 6  # in which an overdue job has to end; after them the worker fails
# How long a call that fails for infrastructure is tried again in place, before the message is given
# back; longer once there is a result that would be lost.
PATIENCE_SECONDS = 900.0
RESULT_PATIENCE_SECONDS = 7200.0
# An exclusive job keeps other jobs from starting while it waits for those under way, and while it
# runs. Both have an end.
EXCLUSIVE_WAIT_SECONDS = 60.0
EXCLUSIVE_JOB_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class JobMemory:
    """The bytes that one job holds at once."""

    part_bytes: int

    @property
    def input_bytes(self) -> int:
        """The bytes of input held at once, unless a file needs more."""
        return (READ_AHEAD + 1) * self.part_bytes  # one part is on its way to the pool process

    def upload_part_bytes(self, size: int) -> int:
        """Return the size of an upload's part: larger than `part_bytes` only for huge inputs."""
        return max(self.part_bytes, EXPECTED_GROWTH * size // MAX_PARTS)

    def reservation(self, size: int | None, input_bytes: int | None, outputs: int) -> int:
        """Return the bytes to reserve for an input of that size, or of unknown size.

        `input_bytes` are those that the input is known to need at once; None: the usual amount. The
        job writes up to `outputs` files.
        """
        output_bytes = outputs * HELD_PARTS * self.upload_part_bytes(size or 0)
        streaming = (input_bytes or self.input_bytes) + output_bytes
        return streaming if size is None or input_bytes is not None else min(2 * size, streaming)


class Reservation:
    """The bytes of the budget that one job holds; `exclusive`: all of them, so that it is alone.

    Implements worker.pool.spare.SpareBytes: a job may take more while no other job waits.
    """

    def __init__(self, budget: "ByteBudget", held: int, *, exclusive: bool) -> None:
        self._budget = budget
        self.held = held
        self.exclusive = exclusive

    def correct(self, size: int) -> None:
        """Correct the reservation to `size` bytes, without a wait: the job holds them already."""
        size = max(1, size)  # an empty file counts as one byte
        self._budget.take(size - self.held)
        self.held = size

    @property
    def are_wanted(self) -> bool:
        """Whether another job waits for bytes."""
        return self._budget.is_waited_for

    def take(self, size: int) -> bool:
        """Hold more bytes, if they are free and no job waits for any; returns whether it does."""
        if not self._budget.has_spare(size):
            return False
        self.correct(self.held + size)
        return True

    def hold(self, size: int) -> None:
        """Hold more bytes, whether they are free or not; or fewer."""
        self.correct(self.held + size)

    def give_back(self, size: int) -> None:
        """Hold fewer bytes."""
        self.correct(self.held - size)


class ByteBudget:
    """The bytes that all jobs together may hold, handed out in the order of the requests."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def is_waited_for(self) -> bool:
        """Whether a request waits for bytes."""
        return self._turn.locked()

    def has_spare(self, size: int) -> bool:
        """Whether so many bytes are free, and no request waits for bytes."""
        return not self.is_waited_for and self._used + size <= self.limit

    def take(self, size: int) -> None:
        """Count bytes as used; a negative size gives bytes back."""
        self._used += size
        self._changed.set()

    @asynccontextmanager
    async def reserve(self, size: int, *, exclusive: bool = False) -> AsyncIterator[Reservation]:
        """Hold bytes for the length of the block; a request above the limit gets the whole budget.

        An exclusive request gets the whole budget whatever its size. Its job then runs alone, since
        an empty file counts as one byte. If other jobs still hold bytes a minute after the request,
        it goes on as any other request of its size.
        """
        size = max(1, min(size, self.limit))
        patience_ends = now() + EXCLUSIVE_WAIT_SECONDS  # several of them wait at the same time
        async with self._turn:
            if exclusive:
                await self._left_alone(patience_ends)
            await self._has_room_for(size)
            exclusive = exclusive and not self._used
            size = self.limit if exclusive else size
            self.take(size)
        reservation = Reservation(self, size, exclusive=exclusive)
        try:
            yield reservation
        finally:
            self.take(-reservation.held)

    async def _left_alone(self, patience_ends: float) -> None:
        """Wait until no job holds bytes, but no longer than until then."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(patience_ends):
                await self._has_room_for(self.limit)

    async def _has_room_for(self, size: int) -> None:
        while self._used + size > self.limit and self._used:
            self._changed.clear()
            await self._changed.wait()


class JobTimeout:
    """The time limit of one job, and of the new attempts at a call that fails.

    It is paused while the job waits: for memory, for a pool process, or for AWS.
    """

    def __init__(
        self, job: str, timeout: asyncio.Timeout, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.job = job
        self.patience_seconds = self._first_patience_seconds = patience_seconds
        self.newer_versions = 0  # for which the job has started again
        self._timeout = timeout
        self._pauses = 0
        self._seconds_left = 0.0
        self._overdue_checks = 0

    def has_result(self) -> None:
        """Try calls again for longer from now on, since the result would be lost."""
        self.patience_seconds = RESULT_PATIENCE_SECONDS

    def begin_newer_version(self) -> None:
        """Begin again with a newer version of the input, of which there is no result yet."""
        self.newer_versions += 1
        self.patience_seconds = self._first_patience_seconds

    def pause(self) -> Callable[[], None]:
        """Pause until the returned function is called; several calls of a job may wait at once."""
        end = self._timeout.when()
        if not self._pauses and end is not None and not self._timeout.expired():
            self._seconds_left = end - now()
            self._timeout.reschedule(None)
        self._pauses += 1
        return self._resume

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause for the length of the block."""
        resume = self.pause()
        try:
            yield
        finally:
            resume()

    def _resume(self) -> None:
        self._pauses -= 1
        if not self._pauses and self._timeout.when() is None and not self._timeout.expired():
            self._timeout.reschedule(now() + self._seconds_left)

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
    async def limit(self, job: str, *, exclusive: bool = False) -> AsyncIterator[JobTimeout]:
        """Cancel the block when its time is over; raises TransientError then."""
        changed = ""
        seconds, name = self._seconds, "WORKER_JOB_SECONDS"
        if exclusive and seconds > EXCLUSIVE_JOB_SECONDS:
            seconds, name = EXCLUSIVE_JOB_SECONDS, "the limit of a job that has failed often"
        try:
            async with asyncio.timeout(seconds) as timeout:
                job_timeout = JobTimeout(job, timeout)
                self._under_way[job_timeout] = None
                try:
                    yield job_timeout
                finally:
                    del self._under_way[job_timeout]
                    if count := job_timeout.newer_versions:
                        changed = f": it kept changing, and was started again {count} times"
        except TimeoutError as error:
            text = f"{job} took longer than {name} ({seconds:g}){changed}"
            raise TransientError(text) from error

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
