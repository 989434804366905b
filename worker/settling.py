"""Settling: what is done with a message once its outcome is known."""

import asyncio
import random
import re
from collections.abc import Coroutine
from typing import Any

import structlog

from worker.deletes import Deletes
from worker.errors import (
    FatalError,
    GaveUp,
    PermanentError,
    TidegateError,
    TransientError,
)
from worker.job import Done, Message, Outcome, Reject, Release, Retry, S3Uri
from worker.leases import Leases
from worker.metrics import Metrics
from worker.queue import EntryResult, Queue
from worker.reports import Reports

log = structlog.get_logger()

LONGEST_BACKOFF_SECONDS = 900
HURRY_SECONDS = 1.5  # the stop has a deadline, and a call may hang
ATTRIBUTE_LENGTH = 1000  # characters; ten of these fit beside a body
NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Settling:
    """Carries out outcomes; each message is let go of its lease first and settled once."""

    def __init__(
        self,
        queue: Queue,
        *,
        name: str,
        leases: Leases,
        deletes: Deletes,
        reports: Reports,
        metrics: Metrics,
        retry_seconds: float,
        max_receive_count: int | None,
    ) -> None:
        self._queue = queue
        self._name = name
        self._leases = leases
        self._deletes = deletes
        self._reports = reports
        self._metrics = metrics
        self._retry_seconds = retry_seconds
        self._max_receive_count = max_receive_count

    async def settle(self, message: Message, outcome: Outcome) -> None:
        """Settle a message; a cancellation waits until that is done, but not for a call that hangs.

        What cannot be settled is left to its visibility timeout, and logged.
        """
        await _uninterrupted(self._settle(message, outcome))

    async def _settle(self, message: Message, outcome: Outcome) -> None:
        try:
            await self._carry_out(message, self._final(message, outcome))
        except FatalError:
            raise
        except (TidegateError, TimeoutError) as error:
            log.warning("message not settled", reason=str(error) or "SQS does not answer")

    def _final(self, message: Message, outcome: Outcome) -> Outcome:
        """Turn the last retry that the redrive policy allows into a rejection with its reason."""
        if isinstance(outcome, Retry) and self._is_last(message):
            error = GaveUp(f"gave up after {message.receive_count} receives: {outcome.error}")
            error.__cause__ = outcome.error
            return Reject(error, outcome.job)
        return outcome

    def _is_last(self, message: Message) -> bool:
        last = self._max_receive_count
        return last is not None and message.receive_count >= last

    async def _carry_out(self, message: Message, outcome: Outcome) -> None:
        match outcome:
            case Done():
                self._deletes.add(message.id, await self._leases.end(message))
                log.info("job done", **outcome.facts())
                self._metrics.done(outcome)
            case Retry(error=error):
                seconds = self._backoff(message.receive_count)
                unforeseen = None if isinstance(error, TidegateError) else error
                about = _about(error)
                log.warning("job fails for now", **about, again_in=seconds, exc_info=unforeseen)
                await self._make_visible(message, seconds)
                self._metrics.retried()
            case Reject():
                await self._reject(message, outcome)
            case Release():
                log.info("message released")
                async with asyncio.timeout(HURRY_SECONDS):
                    await self._make_visible(message, 0)

    async def _reject(self, message: Message, outcome: Reject) -> None:
        error = outcome.error
        about = _about(error)
        try:
            report = await self._report(message, outcome)
            self._leases.check(message)
            dead = await self._queue.dead_letter(message.body, self._reasons(message, error))
        except FatalError:
            await self._make_visible(message, 0)
            raise
        except TidegateError as failure:
            log.warning("rejection failed", **about, failure=str(failure))
            await self._make_visible(message, self._backoff(message.receive_count))
            return
        log.error("job rejected", **about, report=str(report) if report else None, dead_letter=dead)
        self._metrics.rejected()
        if not dead and report is None:
            # Nowhere to keep it but where it is: the queue's retention decides.
            await self._make_visible(message, LONGEST_BACKOFF_SECONDS)
        else:
            self._deletes.add(message.id, await self._leases.end(message))

    async def _report(self, message: Message, outcome: Reject) -> S3Uri | None:
        """Write the report, where the message says where; None when there can be none."""
        if outcome.job is None:
            return None
        self._leases.check(message)
        try:
            return await self._reports.write(outcome.job, outcome.error, message.receive_count)
        except (PermanentError, TransientError) as failure:
            if isinstance(failure, TransientError) and not self._is_last(message):
                raise
            # The dead letter has the reason too, if it is sent now.
            log.warning("no failure report", failure=str(failure))
            return None

    async def _make_visible(self, message: Message, seconds: int) -> None:
        handle = await self._leases.end(message)
        for _ in range(3):
            (result,) = await self._queue.change_visibility([(handle, seconds)])
            if result is not EntryResult.FAILED:
                return
        log.warning("message left to its visibility timeout")

    def _backoff(self, receive_count: int) -> int:
        """Draw a full-jitter exponential backoff, in seconds."""
        ceiling = self._retry_seconds * 2.0 ** min(receive_count - 1, 20)
        return int(random.uniform(0, min(LONGEST_BACKOFF_SECONDS, ceiling)))  # noqa: S311 - jitter

    def _reasons(self, message: Message, error: BaseException) -> dict[str, str]:
        """Say in message attributes, of which SQS takes ten, why a message is dead."""
        reasons = {
            "error_type": type(error).__name__,
            "error_message": str(error),
            "receive_count": str(message.receive_count),
            "source_queue": self._name,
            "source_message_id": message.id,
        }
        return {
            name: NOT_IN_XML.sub("?", text)[:ATTRIBUTE_LENGTH] or "?"
            for name, text in reasons.items()
        }


def _about(error: BaseException) -> dict[str, str]:
    return {"error_type": type(error).__name__, "error": str(error)}


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=HURRY_SECONDS)
        task.cancel()
        raise
