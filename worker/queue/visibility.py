"""Making messages visible again: at once when given back, after a backoff when tried again."""

import asyncio
from collections.abc import Sequence

import structlog

from worker.errors import TransientError, error_text
from worker.queue.sqs import BATCH, EntryResult, Queue

log = structlog.get_logger()

ATTEMPTS = 5
PAUSE_SECONDS = 0.05


async def make_visible(queue: Queue, messages: Sequence[tuple[str, str]], seconds: int) -> None:
    """Let messages (id and handle) become visible again in so many seconds.

    Those that SQS fails again and again are left to their visibility timeout, and logged; raises
    FatalError.
    """
    batches = [messages[start : start + BATCH] for start in range(0, len(messages), BATCH)]
    calls = [_persistently(queue, batch, seconds) for batch in batches]
    for error in await asyncio.gather(*calls, return_exceptions=True):
        if error is not None:
            raise error


async def _persistently(queue: Queue, batch: Sequence[tuple[str, str]], seconds: int) -> None:
    left = batch
    try:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
            left = await _once(queue, left, seconds)
            if not left:
                return
    finally:
        if left:
            ids = [message_id for message_id, _ in left]
            log.warning("messages left to their visibility timeout", message_ids=ids)


async def _once(
    queue: Queue, batch: Sequence[tuple[str, str]], seconds: int
) -> Sequence[tuple[str, str]]:
    """Ask once; answer with what failed."""
    try:
        results = await queue.change_visibility([(handle, seconds) for _, handle in batch])
    except TransientError as error:
        log.debug("visibility not changed", error=error_text(error))
        return batch
    return [
        entry for entry, result in zip(batch, results, strict=True) if result is EntryResult.FAILED
    ]
