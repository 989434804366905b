"""Settlement: carries out a message's outcome by delete, retry, dead letter or release."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import structlog
from structlog.contextvars import bind_contextvars

from worker.clock import now
from worker.errors import (
    AccessDenied,
    FatalError,
    GaveUp,
    LeaseLost,
    TidegateError,
    TransientError,
    UnknownMessageVersion,
    UnreadableBody,
    error_text,
    stray_cancellations_as_errors,
)
from worker.job import Done, Drop, Job, Message, Outcome, Reject, Release, Retry
from worker.jobs.announcing.announcer import Announcer
from worker.jobs.dead_letters import DeadLetters, Recorded
from worker.jobs.limits import RESULT_PATIENCE_SECONDS, JobTimeout
from worker.jobs.patience import Patience
from worker.lifecycle.breaker import Breaker
from worker.lifecycle.supervision import wait_then_cancel
from worker.metrics import Metrics
from worker.queue.deletes import Deletes
from worker.queue.leases import Lease, Leases
from worker.queue.sqs import SqsQueue
from worker.queue.visibility import make_visible

log = structlog.get_logger()

MAX_BACKOFF_SECONDS = 900
LEAST_SHARE = 0.8  # of the longest backoff, where only a person or a newer worker helps
MAX_RECORD_SECONDS = 120.0  # for report and dead letter, waits for AWS not counted; then a retry
HURRY_SECONDS = 1.5  # the stop has a deadline, and a call may hang


class Settlement:
    """Settles messages: each is taken out of the leases first, and settled once."""

    def __init__(
        self,
        queue: SqsQueue,
        *,
        breaker: Breaker,
        leases: Leases,
        deletes: Deletes,
        dead_letters: DeadLetters,
        announcer: Announcer,
        metrics: Metrics,
        retry_seconds: float,
    ) -> None:
        self._queue = queue
        self._breaker = breaker
        self._leases = leases
        self._deletes = deletes
        self._dead_letters = dead_letters
        self._announcer = announcer
        self._metrics = metrics
        self._retry_seconds = retry_seconds
        # Message ids: between its lease and its delete a message is in neither.
        self._under_way: Counter[str] = Counter()

    def message_ids(self) -> list[str]:
        """Return the ids of the messages that are being settled."""
        return list(self._under_way)

    async def settle(self, message: Message, outcome: Outcome) -> None:
        """Settle a message; a cancellation waits for it, but not for a call that hangs.

        A message that cannot be settled stays invisible until its visibility timeout ends, and is
        logged.
        """
        task = asyncio.create_task(self._settle(message, outcome), name="settle")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not await wait_then_cancel(task, HURRY_SECONDS):
                log.warning("settlement cut short", message_id=message.id)
                # Without effect if the lease has ended already.
                await self._release([message], HURRY_SECONDS)
            raise

    async def release(self, messages: Sequence[Message], *, hurry: bool = False) -> None:
        """Release messages that were never started, in batches; otherwise as `settle`.

        Without `hurry` only the drain deadline limits the time.
        """
        release = self._release_or_reject(messages, HURRY_SECONDS if hurry else None)
        task = asyncio.create_task(release, name="settle")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await wait_then_cancel(task, HURRY_SECONDS)
            raise

    async def _release_or_reject(self, messages: Sequence[Message], seconds: float | None) -> None:
        messages = [self._leases.latest(message) for message in messages]
        last = [message for message in messages if message.last_receive]
        async with asyncio.TaskGroup() as group:
            for message in last:
                group.create_task(self.settle(message, Release()), name="settle")
            others = [message for message in messages if not message.last_receive]
            await self._release(others, seconds)

    async def _settle(self, message: Message, outcome: Outcome) -> None:
        message = self._leases.latest(message)  # it may have been received again meanwhile
        bind_contextvars(message_id=message.id, receive_count=message.receive_count)
        try:
            with stray_cancellations_as_errors(), self._noted([message]):
                await self._carry_out(message, final_outcome(message, outcome))
        except FatalError:
            raise
        except TidegateError as error:
            log.warning("message not settled", reason=error_text(error))

    async def _carry_out(self, message: Message, outcome: Outcome) -> None:
        match outcome:
            case Done():
                await self._finish(message, outcome)
            case Drop():
                await self._delete(message, None)
                log.info("job dropped, its run is cancelled")
            case Retry():
                await self._retry(message, outcome)
            case Reject():
                await self._reject(message, outcome)
            case Release():
                await self._release([message], HURRY_SECONDS)

    async def _finish(self, message: Message, outcome: Done) -> None:
        """Announce the output, then delete the message: a repeated event is better than none."""
        began = now()
        try:
            await self._announcer.predicted(message, outcome)
        except TransientError as error:
            seconds = self._backoff(message, error)
            log.warning(
                "event not sent, retrying", error=error_text(error), retry_in_seconds=seconds
            )
            await self._make_visible(message, seconds)
            self._metrics.retried()
            return
        await self._delete(message, None)
        log.info("job done", **outcome.log_fields())
        self._metrics.done(outcome, sent=message.sent, settle_seconds=now() - began)

    async def _retry(self, message: Message, outcome: Retry) -> None:
        error = outcome.error
        seconds = self._backoff(message, error)
        log.warning(
            "job failed, retrying",
            **_error_fields(error),
            retry_in_seconds=seconds,
            # A traceback helps only with an error that the worker does not raise itself.
            exc_info=None if isinstance(error, TidegateError) else error,
        )
        await self._make_visible(message, seconds)
        self._metrics.retried()

    async def _reject(self, message: Message, outcome: Reject) -> None:
        fields = _error_fields(outcome.error)
        try:
            with stray_cancellations_as_errors():
                recorded = await self._record(message, outcome)
        except FatalError:
            await self._release([message], HURRY_SECONDS)
            raise
        except (TidegateError, TimeoutError) as failure:
            log.warning("dead letter failed, retrying", **fields, failure=error_text(failure))
            if outcome.stopping:
                await self._release([message], HURRY_SECONDS)
            else:
                await self._make_visible(message, self._backoff(message, failure))
                self._metrics.retried()
            return
        seconds = HURRY_SECONDS if outcome.stopping else None
        if recorded is None:
            await self._delete(message, seconds)
            log.info("job failed, superseded", **fields)
            return
        log.error(
            "job rejected, dead letter sent"
            if recorded.dead_letter
            else "job rejected, no dead-letter queue",
            **fields,
            report=str(recorded.report) if recorded.report else None,
        )
        self._metrics.rejected(outcome.error)
        if recorded.report or recorded.dead_letter:
            await self._delete(message, seconds)
        else:
            # The message is the only record of the failure: keep it until its retention ends.
            await self._make_visible(message, MAX_BACKOFF_SECONDS)

    async def _record(self, message: Message, outcome: Reject) -> Recorded | None:
        """Write report and dead letter, all of it again after an outage, unless the worker stops.

        All of it, because a newer version of the input may have come meanwhile.
        """
        seconds, patience_seconds = (
            (HURRY_SECONDS, 0.0)
            if outcome.stopping
            else (MAX_RECORD_SECONDS, RESULT_PATIENCE_SECONDS)
        )
        async with asyncio.timeout(seconds) as timeout:
            limit = JobTimeout(message.id, timeout, patience_seconds)
            patience = Patience(self._breaker, limit, partial(self._leases.check, message))
            return await patience.call(partial(self._dead_letters.record, message, outcome))

    async def _delete(self, message: Message, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                lease = await self._leases.end(message)
        except TimeoutError as error:
            raise TransientError("a heartbeat under way did not end in time") from error
        self._deletes.add(message.id, lease.handle)

    async def _release(self, messages: Sequence[Message], seconds: float | None) -> None:
        with self._noted(messages):
            await self._release_noted(messages, seconds)

    async def _release_noted(self, messages: Sequence[Message], seconds: float | None) -> None:
        ended: list[Lease] = []
        try:
            async with asyncio.timeout(seconds):
                for message in messages:
                    with suppress(LeaseLost):  # it is another worker's, or visible already
                        ended.append(await self._leases.end(message))
                await self._make_visible_at_once(ended)
        except (TimeoutError, asyncio.CancelledError) as error:
            log.warning("release cut short", message_ids=[message.id for message in messages])
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            if ended:
                log.info("messages released", message_ids=[lease.message.id for lease in ended])

    @contextmanager
    def _noted(self, messages: Sequence[Message]) -> Iterator[None]:
        """Count messages as being settled for the length of the block."""
        ids = Counter(message.id for message in messages)
        self._under_way.update(ids)
        try:
            yield
        finally:
            self._under_way -= ids

    async def _make_visible_at_once(self, ended: Sequence[Lease]) -> None:
        # From the first deadline on, a message may be another worker's.
        async with asyncio.timeout_at(min((lease.deadline for lease in ended), default=None)):
            handles = [(lease.message.id, lease.handle) for lease in ended]
            await make_visible(self._queue, handles, 0)

    async def _make_visible(self, message: Message, seconds: int) -> None:
        lease = await self._leases.end(message)
        with suppress(TimeoutError):  # by then it is visible, and may be another worker's
            async with asyncio.timeout_at(lease.deadline):
                await make_visible(self._queue, [(message.id, lease.handle)], seconds)

    def _backoff(self, message: Message, error: BaseException) -> int:
        """Draw a full-jitter exponential backoff in seconds; a long one if only a change helps.

        A message of a later version waits as long as one whose objects are denied: meanwhile this
        worker ends idle, and a newer one starts.
        """
        if isinstance(error, AccessDenied | UnknownMessageVersion):
            return int(random.uniform(LEAST_SHARE, 1) * MAX_BACKOFF_SECONDS)  # noqa: S311 - jitter
        ceiling = self._retry_seconds * 2.0 ** min(message.receive_count - 1, 20)
        return int(random.uniform(0, min(MAX_BACKOFF_SECONDS, ceiling)))  # noqa: S311 - jitter


def _error_fields(error: BaseException) -> dict[str, str]:
    return {"error_type": type(error).__name__, "error": error_text(error)}


def final_outcome(message: Message, outcome: Outcome) -> Outcome:
    """Return the outcome to carry out: on the last receive, Retry and Release become Reject."""
    if message.last_receive:
        match outcome:
            case Retry(error=error, job=job):
                return Reject(_gave_up(message, str(error), error), job)
            case Release():
                error = _gave_up(message, "the worker had to stop")
                return Reject(error, _job(message), stopping=True)
    return outcome


def _gave_up(message: Message, reason: str, cause: BaseException | None = None) -> GaveUp:
    error = GaveUp(f"gave up after {message.receive_count} receives: {reason}")
    error.__cause__ = cause
    return error


def _job(message: Message) -> Job | None:
    try:
        return Job.parse(message.body)
    except (UnreadableBody, UnknownMessageVersion):
        return None
