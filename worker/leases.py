"""Our hold on every message in hand: kept invisible from receive until settled or lost."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog

from worker import clock
from worker.beside import running
from worker.errors import FatalError, LeaseLost
from worker.job import Message
from worker.queue import BATCH, EntryResult, Queue

log = structlog.get_logger()

LONGEST_SECONDS = 43_200 - 60  # SQS's twelve hours, less the time a poll may have held the message
CONFIRM_AFTER_SECONDS = 1.0  # a message that waited longer is beaten for before it starts
RETRY_SECONDS = 0.5
TICK_SECONDS = 0.001  # a timer may fire a little early, and must find its work due all the same


@dataclass(slots=True, eq=False)
class Lease:
    """The hold on one message; times are the event loop's, in seconds."""

    message: Message  # the delivery it is for: a later one of the same message has its own
    handle: str
    since: float
    deadline: float  # from then on SQS may give the message to another
    due: float  # the next beat
    beat: "asyncio.Task[None] | None" = None  # under way
    job: "asyncio.Task[object] | None" = None
    lost: str | None = None  # why
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)


class Leases:
    """All leases, and the one loop that extends them."""

    def __init__(self, queue: Queue, *, visibility_seconds: int, heartbeat_seconds: float) -> None:
        self._queue = queue
        self._visibility = visibility_seconds
        self._heartbeat = heartbeat_seconds
        self._held: dict[str, Lease] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def claim(self, message: Message) -> bool:
        """Hold a message just received; False when it is in hand already and stays one job."""
        now = clock.now()
        deadline = now + self._visibility
        known = self._held.get(message.id)
        if known is not None:
            known.handle, known.deadline = message.receipt_handle, deadline
            return False
        self._held[message.id] = Lease(
            message,
            message.receipt_handle,
            now,
            deadline,
            self._next_beat(now, self._visibility),
        )
        self._wake.set()
        return True

    def check(self, message: Message) -> None:
        """Raise LeaseLost unless the message is ours beyond doubt."""
        self._ours(message)

    async def confirm(self, message: Message) -> None:
        """Make sure of a message that waited in the buffer; raises LeaseLost."""
        lease = self._ours(message)
        if clock.now() - lease.since >= CONFIRM_AFTER_SECONDS and not lease.confirmed.is_set():
            lease.due = 0.0
            self._wake.set()
            await lease.confirmed.wait()
            self._ours(message)

    @contextmanager
    def cancel_if_lost(self, message: Message) -> Iterator[None]:
        """Cancel the block when the lease is lost, and raise LeaseLost instead."""
        lease = self._ours(message)
        task = asyncio.current_task()
        assert task is not None
        lease.job = task
        try:
            yield
        except asyncio.CancelledError:
            # Ours is one cancellation; if another is pending, the worker is stopping as well.
            if lease.lost and task.uncancel() == 0:
                raise LeaseLost(lease.lost) from None
            raise
        finally:
            lease.job = None

    async def end(self, message: Message) -> str:
        """Let go of a message to settle it: return its handle, no beat under way any more.

        Raises LeaseLost when there is nothing left to settle.
        """
        lease = self._ours(message)
        del self._held[message.id]
        if lease.beat is not None:
            await asyncio.wait([lease.beat])
        if lease.lost or clock.now() >= lease.deadline:
            raise LeaseLost(lease.lost or "the visibility timeout ran out")
        return lease.handle

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Send heartbeats for the length of the block."""
        async with running(self._beat_until_cancelled()):
            yield

    def _ours(self, message: Message) -> Lease:
        lease = self._held.get(message.id)
        if lease is not None and lease.message is not message:
            lease = None
        if lease is not None and clock.now() >= lease.deadline:
            self._lose(lease, "the visibility timeout ran out")
            lease = None
        if lease is None:
            raise LeaseLost(f"message {message.id} is no longer ours")
        return lease

    def _lose(self, lease: Lease, why: str) -> None:
        if lease.lost is not None:
            return  # a second cancellation of the job would look like the worker's stop
        lease.lost = why
        if self._held.get(lease.message.id) is lease:
            del self._held[lease.message.id]
            log.warning("lease lost", message_id=lease.message.id, reason=why)
        lease.confirmed.set()
        if lease.job is not None and lease.job is not asyncio.current_task():
            lease.job.cancel()

    async def _beat_until_cancelled(self) -> None:
        async with asyncio.TaskGroup() as beats:
            while True:
                self._wake.clear()
                self._lose_expired()
                for batch in self._due():
                    beat = beats.create_task(self._beat(batch))
                    for lease in batch:
                        lease.beat = beat
                await self._sleep()

    def _lose_expired(self) -> None:
        soon = clock.now() + TICK_SECONDS
        for lease in [lease for lease in self._held.values() if lease.deadline <= soon]:
            self._lose(lease, "the visibility timeout ran out before a heartbeat succeeded")

    def _due(self) -> Iterator[Sequence[Lease]]:
        now = clock.now() + TICK_SECONDS
        waiting = [lease for lease in self._held.values() if lease.beat is None]
        if not any(lease.due <= now for lease in waiting):
            return
        # Those that are due soon go along: a batch costs one call, however many are in it.
        soon = [lease for lease in waiting if lease.due <= now + self._heartbeat / 5]
        for start in range(0, len(soon), BATCH):
            yield soon[start : start + BATCH]

    async def _sleep(self) -> None:
        times = [
            lease.deadline if lease.beat else min(lease.due, lease.deadline)
            for lease in self._held.values()
        ]
        try:
            async with asyncio.timeout_at(min(times, default=None)):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _beat(self, batch: Sequence[Lease]) -> None:
        sent = clock.now()
        handles = [lease.handle for lease in batch]
        seconds = [self._extension(lease, sent) for lease in batch]
        try:
            async with asyncio.timeout(max(1.0, self._heartbeat / 2)):
                results = await self._queue.change_visibility(
                    list(zip(handles, seconds, strict=True))
                )
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the deadline is not reached yet
            log.warning("heartbeat failed", messages=len(batch), error=str(error))
            results = [EntryResult.FAILED] * len(batch)
        for lease, handle, extension, result in zip(batch, handles, seconds, results, strict=True):
            lease.beat = None
            if lease.handle == handle:  # a newer receive has a deadline of its own
                self._note(lease, result, sent, extension)
        self._wake.set()

    def _note(self, lease: Lease, result: EntryResult, sent: float, extension: int) -> None:
        if result is EntryResult.REFUSED:
            self._lose(lease, "SQS no longer knows our receipt handle")
        elif result is EntryResult.FAILED:
            lease.due = clock.now() + RETRY_SECONDS
        elif lease.lost is None and sent < lease.deadline:
            lease.deadline = sent + extension
            lease.due = self._next_beat(sent, extension)
            lease.confirmed.set()

    def _extension(self, lease: Lease, now: float) -> int:
        return max(1, min(self._visibility, int(LONGEST_SECONDS - (now - lease.since))))

    def _next_beat(self, now: float, lasting: float) -> float:
        jitter = random.uniform(0.8, 1.0)  # noqa: S311 - no secret
        return now + min(self._heartbeat, lasting / 3) * jitter
