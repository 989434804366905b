"""Settling: what is done with a message once its outcome is known."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import structlog
from structlog.contextvars import bind_contextvars

from worker.errors import FatalError, LeaseLost, TidegateError, TransientError, error_text
from worker.job import Done, Message, Outcome, Reject, Release, Retry
from worker.jobs.dead_letters import DeadLetters
from worker.jobs.redrive import RedrivePolicy
from worker.lifecycle.supervision import ended_within
from worker.metrics import Metrics
from worker.queue.deletes import Deletes
from worker.queue.leases import Lease, Leases
from worker.queue.sqs import Queue
from worker.queue.visibility import make_visible

log = structlog.get_logger()

LONGEST_BACKOFF_SECONDS = 900
LONGEST_KEEP_SECONDS = 120.0  # for report and dead letter; then the message is tried again
HURRY_SECONDS = 1.5  # the stop has a deadline, and a call may hang


class Settlement:
    """Carries out outcomes; each message is let go of its lease first and settled once."""

    def __init__(
        self,
        queue: Queue,
        *,
        leases: Leases,
        deletes: Deletes,
        rejections: DeadLetters,
        metrics: Metrics,
        retry_seconds: float,
        redrive: RedrivePolicy,
    ) -> None:
        self._queue = queue
        self._leases = leases
        self._deletes = deletes
        self._rejections = rejections
        self._metrics = metrics
        self._retry_seconds = retry_seconds
        self._redrive = redrive

    async def settle(self, message: Message, outcome: Outcome) -> None:
        """Settle a message; a cancellation waits until that is done, but not for a call that hangs.

        What cannot be settled is left to its visibility timeout, and logged.
        """
        task = asyncio.create_task(self._settle(message, outcome), name="settle")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not await ended_within(task, HURRY_SECONDS):
                log.warning("settlement cut short", message_id=message.id)
                await self._release([message], HURRY_SECONDS)  # unless it is let go of already
            raise

    async def release(self, messages: Sequence[Message], *, hurry: bool = False) -> None:
        """Give back messages that were never started, in batches; else as `settle`.

        It takes as long as it takes, which a drain's deadline cuts short, unless there is a hurry.
        """
        release = self._release_each(messages, HURRY_SECONDS if hurry else None)
        task = asyncio.create_task(release, name="settle")
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await ended_within(task, HURRY_SECONDS)
            raise

    async def _release_each(self, messages: Sequence[Message], seconds: float | None) -> None:
        last = [message for message in messages if self._redrive.is_last(message)]
        async with asyncio.TaskGroup() as group:
            for message in last:
                group.create_task(self.settle(message, Release()), name="settle")
            others = [message for message in messages if message not in last]
            await self._release(others, seconds)

    async def _settle(self, message: Message, outcome: Outcome) -> None:
        bind_contextvars(message_id=message.id, receive_count=message.receive_count)
        final = self._redrive.final(message, outcome)
        try:
            await self._carry_out(message, final, hurry=isinstance(outcome, Release))
        except FatalError:
            raise
        except TidegateError as error:
            log.warning("message not settled", reason=error_text(error))

    async def _carry_out(self, message: Message, outcome: Outcome, *, hurry: bool) -> None:
        match outcome:
            case Done():
                await self._delete(message, None)
                log.info("job done", **outcome.facts())
                self._metrics.done(outcome)
            case Retry():
                await self._retry(message, outcome)
            case Reject():
                await self._reject(message, outcome, hurry=hurry)
            case Release():
                await self._release([message], HURRY_SECONDS)

    async def _retry(self, message: Message, outcome: Retry) -> None:
        error = outcome.error
        seconds = self._backoff(message)
        unforeseen = None if isinstance(error, TidegateError) else error
        log.warning("job fails for now", **_about(error), again_in=seconds, exc_info=unforeseen)
        await self._make_visible(message, seconds)
        self._metrics.retried()

    async def _reject(self, message: Message, outcome: Reject, *, hurry: bool) -> None:
        about = _about(outcome.error)
        try:
            async with asyncio.timeout(HURRY_SECONDS if hurry else LONGEST_KEEP_SECONDS):
                kept = await self._rejections.keep(message, outcome)
        except FatalError:
            await self._release([message], HURRY_SECONDS)
            raise
        except (TidegateError, TimeoutError) as failure:
            log.warning("rejection failed", **about, failure=error_text(failure))
            if hurry:
                await self._release([message], HURRY_SECONDS)
            else:
                await self._make_visible(message, self._backoff(message))
            return
        report = str(kept.report) if kept.report else None
        log.error("job rejected", **about, report=report, dead_letter=kept.dead_letter)
        self._metrics.rejected()
        if kept.report or kept.dead_letter:
            await self._delete(message, HURRY_SECONDS if hurry else None)
        else:
            # Nowhere to keep it but where it is: the queue's retention decides.
            await self._make_visible(message, LONGEST_BACKOFF_SECONDS)

    async def _delete(self, message: Message, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                lease = await self._leases.end(message)
        except TimeoutError as error:
            raise TransientError("a heartbeat under way outlasts the stop") from error
        self._deletes.add(message.id, lease.handle)

    async def _release(self, messages: Sequence[Message], seconds: float | None) -> None:
        ended: list[Lease] = []
        try:
            async with asyncio.timeout(seconds):
                for message in messages:
                    with suppress(LeaseLost):  # then it is somebody else's, or visible already
                        ended.append(await self._leases.end(message))
                await self._make_visible_at_once(ended)
        except (TimeoutError, asyncio.CancelledError) as error:
            log.warning("release cut short", message_ids=[message.id for message in messages])
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            if ended:
                log.info("messages released", message_ids=[lease.message.id for lease in ended])

    async def _make_visible_at_once(self, ended: Sequence[Lease]) -> None:
        # Once the first of them is visible of itself, it may be somebody else's.
        async with asyncio.timeout_at(min((lease.deadline for lease in ended), default=None)):
            handles = [(lease.message.id, lease.handle) for lease in ended]
            await make_visible(self._queue, handles, 0)

    async def _make_visible(self, message: Message, seconds: int) -> None:
        lease = await self._leases.end(message)
        with suppress(TimeoutError):  # by then it is visible, and may be somebody else's
            async with asyncio.timeout_at(lease.deadline):
                await make_visible(self._queue, [(message.id, lease.handle)], seconds)

    def _backoff(self, message: Message) -> int:
        """Draw a full-jitter exponential backoff, in seconds."""
        ceiling = self._retry_seconds * 2.0 ** min(message.receive_count - 1, 20)
        return int(random.uniform(0, min(LONGEST_BACKOFF_SECONDS, ceiling)))  # noqa: S311 - jitter


def _about(error: BaseException) -> dict[str, str]:
    return {"error_type": type(error).__name__, "error": error_text(error)}
