"""Deletes of settled messages, gathered into batches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from worker.beside import running
from worker.errors import TransientError
from worker.job import Message
from worker.queue import BATCH, EntryResult, Queue

log = structlog.get_logger()

LINGER_SECONDS = 0.2
LAST_FLUSH_SECONDS = 1.5  # the stop has a deadline, and a call may hang


class Deletes:
    """Messages whose outcome is durable, on their way out of the queue.

    Until a delete has succeeded the message is remembered: delivered again, it is deleted by its
    newer handle and not worked on again.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._handles: dict[str, str] = {}
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
        if message.id not in self._handles:
            return False
        self.add(message.id, message.receipt_handle)
        return True

    @asynccontextmanager
    async def flushed(self) -> AsyncIterator[None]:
        """Delete on size and time for the length of the block, and all the rest at its end."""
        try:
            async with running(self._flush_until_cancelled()):
                yield
        finally:
            await self._flush_the_rest()
            if self._handles:
                # Harmless: each comes back once, is found already done, and is deleted then.
                log.warning("messages not deleted", message_ids=list(self._handles))

    async def _flush_until_cancelled(self) -> None:
        while True:
            await self._changed.wait()
            try:
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._full.wait()
            except TimeoutError:
                pass
            await self._flush()

    async def _flush_the_rest(self) -> None:
        try:
            async with asyncio.timeout(LAST_FLUSH_SECONDS):
                while self._handles:
                    await self._flush()
                    await asyncio.sleep(LINGER_SECONDS if self._handles else 0)
        except TimeoutError:
            pass

    async def _flush(self) -> None:
        self._changed.clear()
        self._full.clear()
        entries = list(self._handles.items())
        for start in range(0, len(entries), BATCH):
            await self._delete(entries[start : start + BATCH])
        if self._handles:
            self._changed.set()

    async def _delete(self, batch: list[tuple[str, str]]) -> None:
        try:
            results = await self._queue.delete([handle for _, handle in batch])
        except TransientError as error:
            log.warning("deletes failed", messages=len(batch), error=str(error))
            return
        for (message_id, handle), result in zip(batch, results, strict=True):
            # Refused: the handle is stale, and the message comes back to be found already done.
            if result is not EntryResult.FAILED and self._handles.get(message_id) == handle:
                del self._handles[message_id]
