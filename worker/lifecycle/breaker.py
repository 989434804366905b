"""The breaker: while AWS fails every call, nothing is received, and one call at a time probes."""

import asyncio
import random
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import structlog

from worker.clock import now
from worker.errors import InfrastructureError, PermanentError, TransientError
from worker.metrics import Metrics

log = structlog.get_logger()

ATTEMPTS = 10  # so many in a row have to fail
LEAST_INPUTS = 3  # of so many inputs: one object, or one key of KMS, may fail alone
FIRST_PAUSE_SECONDS = 1.0  # before a probe; doubled after each
MAX_PAUSE_SECONDS = 60.0
SPREAD_SECONDS = 2.0  # in which the calls that waited start again


class Breaker:
    """Trips when the last ten attempts at calls, of at least three inputs, all failed.

    Only an InfrastructureError is a failure. A success is a job that is done, or a call that had
    failed and was answered now. A call that succeeds at once proves nothing: while only writes
    fail, reads succeed. While the breaker is tripped, calls wait for their turn, and one at a time
    probes. The first success closes the breaker.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._failures: deque[str] = deque(maxlen=ATTEMPTS)  # the inputs
        self._tripped_at: float | None = None
        self._tripped_seconds = 0.0  # of the trips before
        self._probing = asyncio.Lock()  # taken in the order of the requests
        self._closed = asyncio.Event()
        self._pause = FIRST_PAUSE_SECONDS
        self._next_probe = 0.0

    @property
    def tripped(self) -> bool:
        """Whether it is tripped."""
        return self._tripped_at is not None

    def running_seconds(self) -> float:
        """Return the time of a clock that stands still while the breaker is tripped."""
        time = now() if self._tripped_at is None else self._tripped_at
        return time - self._tripped_seconds

    async def turn(self, job: str, *, again: bool) -> AbstractContextManager[None]:
        """Wait for the turn of a call, if tripped; returns the context in which to make the call.

        `again`: the call has failed before.
        """
        if again:
            self._metrics.call_retried()
        probes = self.tripped and await self._turn_to_probe()
        return self._attempt(job, again=again, probes=probes)

    def succeeded(self) -> None:
        """Close the breaker: AWS takes calls again."""
        self._failures.clear()
        if self._tripped_at is None:
            return
        seconds = now() - self._tripped_at
        self._tripped_seconds += seconds
        self._tripped_at = None
        self._closed.set()
        self._metrics.breaker_closed()
        log.info("breaker closed", seconds=round(seconds, 1))

    async def _turn_to_probe(self) -> bool:
        """Wait for the turn; returns False if the breaker has closed meanwhile."""
        await self._probing.acquire()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._next_probe):
                    await self._closed.wait()
        except BaseException:
            self._probing.release()
            raise
        if self.tripped:
            return True
        self._probing.release()
        await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))  # noqa: S311 - jitter
        return False

    @contextmanager
    def _attempt(self, job: str, *, again: bool, probes: bool) -> Iterator[None]:
        try:
            yield
        except InfrastructureError as error:
            self._failed(job, error, probes=probes)
            raise
        except (PermanentError, TransientError):
            if again:
                self.succeeded()  # AWS has answered
            raise
        else:
            if again:
                self.succeeded()
        finally:
            if probes:
                self._probing.release()

    def _failed(self, job: str, error: InfrastructureError, *, probes: bool) -> None:
        if probes:
            self._put_off_the_next_probe()
        if self.tripped:
            return
        self._failures.append(job)
        inputs = len(set(self._failures))
        if len(self._failures) == ATTEMPTS and inputs >= LEAST_INPUTS:
            self._tripped_at = now()
            self._closed.clear()
            self._pause = FIRST_PAUSE_SECONDS
            self._put_off_the_next_probe()
            self._metrics.breaker_tripped()
            log.warning("breaker tripped", attempts=ATTEMPTS, inputs=inputs, error=str(error))

    def _put_off_the_next_probe(self) -> None:
        self._next_probe = now() + random.uniform(0.5, 1.0) * self._pause  # noqa: S311 - jitter
        self._pause = min(MAX_PAUSE_SECONDS, 2 * self._pause)
