"""Visibility: released messages become visible at once, retried ones after a backoff."""

import asyncio
from collections.abc import Sequence

import structlog

from worker.errors import TransientError, error_text
from worker.queue.sqs import BATCH_SIZE, EntryResult, SqsQueue

log = structlog.get_logger()

ATTEMPTS = 5
PAUSE_SECONDS = 0.05

HeldMessage = tuple[str, str]  # message id, receipt handle


async def make_visible(queue: SqsQueue, messages: Sequence[HeldMessage], seconds: int) -> None:
    """Make messages visible again in that many seconds; raises FatalError.

    A message for which this fails again and again stays invisible until its visibility timeout
    ends; its id is logged.
    """
    batches = [
        messages[start : start + BATCH_SIZE] for start in range(0, len(messages), BATCH_SIZE)
    ]
    calls = [_make_batch_visible(queue, batch, seconds) for batch in batches]
    for error in await asyncio.gather(*calls, return_exceptions=True):
        if error is not None:
            raise error


async def _make_batch_visible(queue: SqsQueue, batch: Sequence[HeldMessage], seconds: int) -> None:
    remaining = batch
    try:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
            remaining = await _attempt(queue, remaining, seconds)
            if not remaining:
                return
    finally:
        if remaining:
            ids = [message_id for message_id, _ in remaining]
            log.warning("messages left to their visibility timeout", message_ids=ids)


async def _attempt(
    queue: SqsQueue, batch: Sequence[HeldMessage], seconds: int
) -> Sequence[HeldMessage]:
    """Make one call; returns the messages for which it failed."""
    try:
        results = await queue.change_visibility([(handle, seconds) for _, handle in batch])
    except TransientError as error:
        log.debug("visibility not changed", error=error_text(error))
        return batch
    return [
        entry for entry, result in zip(batch, results, strict=True) if result is EntryResult.FAILED
    ]
