"""Deletes of settled messages, gathered into batches, and the memory of what is settled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from worker.errors import TransientError, error_text
from worker.job import Message
from worker.lifecycle.supervision import background
from worker.queue.sqs import BATCH, EntryResult, Queue

log = structlog.get_logger()

LINGER_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0  # between deletes that fail
LAST_FLUSH_SECONDS = 1.5  # the stop has a deadline, and a call may hang
REMEMBERED = 10_000  # messages that were deleted: SQS may deliver one again all the same


class Deletes:
    """Messages whose outcome is durable, on their way out of the queue.

    A message delivered again, before or after its delete, is deleted by its newer handle and not
    worked on again.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._handles: dict[str, str] = {}
        self._deleted: dict[str, None] = {}  # in the order of their deletes
        self._pause = LINGER_SECONDS
        self._changed = asyncio.Event()
        self._full = asyncio.Event()

    def add(self, message_id: str, handle: str) -> None:
        """Delete a message soon."""
        self._handles[message_id] = handle
        self._changed.set()
        if len(self._handles) >= BATCH:
            self._full.set()

    def settles(self, message: Message) -> bool:
        """Tell whether a message received again only waits for its delete."""
        if message.id not in self._handles and message.id not in self._deleted:
            return False
        self.add(message.id, message.receipt_handle)
        return True

    @asynccontextmanager
    async def flushed(self) -> AsyncIterator[None]:
        """Delete on size and time for the length of the block, and all the rest at its end."""
        try:
            async with background("delete", self._flush_until_cancelled):
                yield
        finally:
            await self._flush_the_rest()
            if self._handles:
                # Harmless: each comes back once, is found already done, and is deleted then.
                log.warning("messages not deleted", message_ids=list(self._handles))

    async def _flush_until_cancelled(self) -> None:
        while True:
            await self._changed.wait()
            if self._pause > LINGER_SECONDS:
                await asyncio.sleep(self._pause)  # however many there are
                await self._flush()
            else:
                await self._flush(full_only=await self._fills())

    async def _fills(self) -> bool:
        """Wait until there is a batch, but not for long; tell whether there is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                return await self._full.wait()
        return False

    async def _flush_the_rest(self) -> None:
        with suppress(Exception):  # of which the loop has died already, if it is more than time
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                while self._handles:
                    await self._flush()
                    await asyncio.sleep(LINGER_SECONDS if self._handles else 0)

    async def _flush(self, *, full_only: bool = False) -> None:
        self._changed.clear()
        self._full.clear()
        entries = list(self._handles.items())
        if full_only:
            entries = entries[: len(entries) // BATCH * BATCH]
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            try:
                done = await self._delete(batch)
            except TransientError as error:
                log.warning("deletes failed", messages=len(batch), error=error_text(error))
                done = False
            self._pause = LINGER_SECONDS if done else min(LONGEST_PAUSE_SECONDS, self._pause * 2)
            if not done:
                break  # the others would fare no better
        if self._handles:
            self._changed.set()

    async def _delete(self, batch: list[tuple[str, str]]) -> bool:
        """Delete a batch; False when some of it has to be asked for again."""
        results = await self._queue.delete([handle for _, handle in batch])
        for (message_id, handle), result in zip(batch, results, strict=True):
            # Refused: the handle is stale, and the message comes back to be deleted by a newer one.
            if result is not EntryResult.FAILED and self._handles.get(message_id) == handle:
                del self._handles[message_id]
                self._remember(message_id)
        return EntryResult.FAILED not in results

    def _remember(self, message_id: str) -> None:
        self._deleted.pop(message_id, None)
        self._deleted[message_id] = None
        if len(self._deleted) > REMEMBERED:
            del self._deleted[next(iter(self._deleted))]
