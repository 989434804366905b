"""Deletes of settled messages, in batches, and the memory of which messages were deleted."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import structlog

from worker.errors import TransientError, error_text, stray_cancellations_as_errors
from worker.job import Message
from worker.lifecycle.supervision import background
from worker.queue.sqs import BATCH_SIZE, EntryResult, SqsQueue

log = structlog.get_logger()

Result = TypeVar("Result")

LINGER_SECONDS = 0.2  # how long a delete waits for others to fill its batch
MAX_PAUSE_SECONDS = 5.0  # between deletes that fail
LAST_FLUSH_SECONDS = 1.5  # the stop has a deadline, and a call may hang
MOST_AT_ONCE = 8  # batches: one at a time would delete ten messages in each round trip
REMEMBERED = 10_000  # deleted messages: SQS may deliver a deleted message again


class Deletes:
    """Messages whose outcome is durable, waiting for their delete.

    A message that is delivered again, before or after its delete, is deleted by its newer receipt
    handle and not processed again.
    """

    def __init__(self, queue: SqsQueue) -> None:
        self._queue = queue
        self._handles: dict[str, str] = {}
        self._deleted: dict[str, None] = {}  # in the order of their deletes
        self._pause = LINGER_SECONDS
        self.failing = False  # the last call failed, and some messages still have to be deleted
        self._changed = asyncio.Event()
        self._full = asyncio.Event()

    def __len__(self) -> int:
        return len(self._handles)

    def add(self, message_id: str, handle: str) -> None:
        """Queue a message for its delete."""
        self._handles[message_id] = handle
        self._changed.set()
        if len(self._handles) >= BATCH_SIZE:
            self._full.set()

    def message_ids(self) -> list[str]:
        """Return the ids of the messages whose delete SQS has not confirmed."""
        return list(self._handles)

    def settles(self, message: Message) -> bool:
        """Return whether a received message was settled before, and only needs its delete."""
        if message.id not in self._handles and message.id not in self._deleted:
            return False
        self.add(message.id, message.receipt_handle)
        return True

    @asynccontextmanager
    async def flushed(self) -> AsyncIterator[None]:
        """Delete in batches for the length of the block, and all the rest at its end."""
        try:
            async with background("delete", self._flush_until_cancelled):
                yield
        finally:
            await self._flush_the_rest()
            if self._handles:
                # Harmless: each is delivered once more, and deleted because its output exists.
                log.warning("messages not deleted", message_ids=list(self._handles))

    async def _flush_until_cancelled(self) -> None:
        while True:
            await self._changed.wait()
            if self._pause > LINGER_SECONDS:
                await asyncio.sleep(self._pause)
                await self._flush()
            else:
                await self._flush(full_batches_only=await self._fills())

    async def _fills(self) -> bool:
        """Wait for a full batch, but not for long; returns whether there is one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                return await self._full.wait()
        return False

    async def _flush_the_rest(self) -> None:
        # Any error but a timeout has already ended the loop.
        with suppress(Exception), stray_cancellations_as_errors():
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                while self._handles:
                    await self._flush()
                    await asyncio.sleep(LINGER_SECONDS if self._handles else 0)

    async def _flush(self, *, full_batches_only: bool = False) -> None:
        self._changed.clear()
        self._full.clear()
        entries = list(self._handles.items())
        if full_batches_only:
            entries = entries[: len(entries) // BATCH_SIZE * BATCH_SIZE]
        batches = [
            entries[start : start + BATCH_SIZE] for start in range(0, len(entries), BATCH_SIZE)
        ]
        while batches:
            # After a failure one batch goes first: the others would most likely fail too.
            count = 1 if self.failing else MOST_AT_ONCE
            outcomes = await _all_of([self._try_delete(batch) for batch in batches[:count]])
            self.failing = None in outcomes
            done = all(outcomes)
            self._pause = LINGER_SECONDS if done else min(MAX_PAUSE_SECONDS, self._pause * 2)
            if not done:
                break
            del batches[:count]
        if self._handles:
            self._changed.set()

    async def _try_delete(self, batch: list[tuple[str, str]]) -> bool | None:
        """Delete a batch; returns None if the call failed, False if an entry must go again."""
        try:
            return await self._delete(batch)
        except TransientError as error:
            log.warning("delete failed, retrying", messages=len(batch), error=error_text(error))
            return None

    async def _delete(self, batch: list[tuple[str, str]]) -> bool:
        """Delete a batch; returns False if some of it must be tried again."""
        results = await self._queue.delete([handle for _, handle in batch])
        for (message_id, handle), result in zip(batch, results, strict=True):
            # Refused means that the handle is stale: SQS delivers the message again, and it is
            # then deleted by its newer handle.
            if result is not EntryResult.FAILED and self._handles.get(message_id) == handle:
                del self._handles[message_id]
                self._remember(message_id)
        return EntryResult.FAILED not in results

    def _remember(self, message_id: str) -> None:
        self._deleted.pop(message_id, None)
        self._deleted[message_id] = None
        if len(self._deleted) > REMEMBERED:
            del self._deleted[next(iter(self._deleted))]


async def _all_of(calls: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Wait for all calls, also if one of them raises an error, and then raise that."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
