"""Leases: every received message is kept invisible by heartbeats until it is settled or lost."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog

from worker import clock
from worker.errors import FatalError, LeaseLost, error_text
from worker.job import Message
from worker.lifecycle.supervision import background
from worker.queue.sqs import BATCH, EntryResult, Queue

LONGEST_SECONDS = 43_200 - 60  # SQS's twelve hours, less the time a poll may have held the message
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a message stays invisible, and how often that is extended; in seconds."""

    visibility: int
    heartbeat: float

    def next_beat(self, now: float, lasting: float) -> float:
        """Choose when to beat again for a lease that lasts so long from now."""
        jitter = random.uniform(0.8, 1.0)  # noqa: S311 - no secret
        return now + min(self.heartbeat, lasting / 3) * jitter


@dataclass(slots=True, eq=False)
class Lease:
    """The hold on one message; times are the event loop's, in seconds."""

    message: Message  # the delivery it is for: a later one of the same message has its own
    handle: str
    since: float  # the receive's answer
    deadline: float  # from then on SQS may give the message to another
    due: float  # the next beat
    beat: "asyncio.Task[None] | None" = None  # under way
    job: "asyncio.Task[object] | None" = None
    lost: str | None = None  # why
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, message: Message, answered: float, times: LeaseTimes) -> "Lease":
        """Take hold of a message whose receive was answered at that time."""
        deadline = answered + times.visibility
        due = times.next_beat(answered, times.visibility)
        return cls(message, message.receipt_handle, answered, deadline, due)

    def received_again(self, message: Message, answered: float, times: LeaseTimes) -> None:
        """Go on under the newer handle; SQS counts its twelve hours anew."""
        self.handle, self.since = message.receipt_handle, answered
        self.deadline = answered + times.visibility
        self.due = times.next_beat(answered, times.visibility)

    def extension(self, now: float, times: LeaseTimes) -> int:
        """Tell for how many seconds a beat sent now may ask: SQS refuses to pass its limit."""
        return max(1, min(times.visibility, int(self.since + LONGEST_SECONDS - now)))

    def extended(self, sent: float, seconds: int, times: LeaseTimes) -> None:
        """Note that a beat succeeded; one sent after the deadline revives nothing."""
        if self.lost is not None or sent >= self.deadline:
            return
        self.deadline = sent + seconds
        at_the_limit = seconds < times.visibility
        self.due = math.inf if at_the_limit else times.next_beat(sent, seconds)
        self.confirmed.set()

    def failed(self, now: float) -> None:
        """Beat again soon: until the deadline nothing is lost."""
        self.due = now + RETRY_SECONDS


log = structlog.get_logger()

CONFIRM_AFTER_SECONDS = 1.0  # a message that waited longer is beaten for before it starts
TICK_SECONDS = 0.001  # a timer may fire a little early, and must find its work due all the same


class Leases:
    """All leases, and the one loop that extends them."""

    def __init__(self, queue: Queue, *, visibility_seconds: int, heartbeat_seconds: float) -> None:
        self._queue = queue
        self._times = LeaseTimes(visibility_seconds, heartbeat_seconds)
        self._held: dict[str, Lease] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def message_ids(self) -> list[str]:
        """Name the messages in hand."""
        return list(self._held)

    def claim(self, message: Message, *, answered: float | None = None) -> bool:
        """Hold a message just received; False when it is in hand already and stays one job.

        `answered` is when the receive's answer came, if that was not just now.
        """
        answered = clock.now() if answered is None else answered
        known = self._held.get(message.id)
        if known is not None:
            known.received_again(message, answered, self._times)
        else:
            self._held[message.id] = Lease.of(message, answered, self._times)
        self._wake.set()
        return known is None

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

    async def end(self, message: Message) -> Lease:
        """Let go of a message to settle it, by the lease's handle; no beat is under way any more.

        Raises LeaseLost when there is nothing left to settle.
        """
        lease = self._ours(message)
        del self._held[message.id]
        if lease.beat is not None:
            await asyncio.wait([lease.beat])
        if lease.lost or clock.now() >= lease.deadline:
            why = lease.lost or "the visibility timeout ran out"
            log.warning("lease lost", message_id=message.id, reason=why)
            raise LeaseLost(why)
        return lease

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Send heartbeats for the length of the block."""
        async with background("heartbeat", self._beat_until_cancelled):
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
                    beat = beats.create_task(self._beat(batch), name="heartbeat")
                    for lease in batch:
                        lease.beat = beat
                await self._sleep()

    def _lose_expired(self) -> None:
        soon = clock.now() + TICK_SECONDS
        for lease in [lease for lease in self._held.values() if lease.deadline <= soon]:
            self._lose(lease, _why_expired(lease))

    def _due(self) -> Iterator[Sequence[Lease]]:
        now = clock.now() + TICK_SECONDS
        waiting = [lease for lease in self._held.values() if lease.beat is None]
        if not any(lease.due <= now for lease in waiting):
            return
        # Those that are due soon go along: a batch costs one call, however many are in it.
        soon = [lease for lease in waiting if lease.due <= now + self._times.heartbeat / 5]
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
        seconds = [lease.extension(sent, self._times) for lease in batch]
        try:
            async with asyncio.timeout(max(1.0, self._times.heartbeat / 2)):
                results = await self._queue.change_visibility(
                    list(zip(handles, seconds, strict=True))
                )
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the deadline is not reached yet
            log.warning("heartbeat failed", messages=len(batch), error=error_text(error))
            results = [EntryResult.FAILED] * len(batch)
        for lease, handle, extension, result in zip(batch, handles, seconds, results, strict=True):
            lease.beat = None
            if lease.handle == handle:  # a newer receive has a deadline of its own
                self._note(lease, result, sent, extension)
        self._wake.set()

    def _note(self, lease: Lease, result: EntryResult, sent: float, seconds: int) -> None:
        match result:
            case EntryResult.OK:
                lease.extended(sent, seconds, self._times)
            case EntryResult.REFUSED:
                self._lose(lease, "SQS no longer knows our receipt handle")
            case EntryResult.FAILED:
                lease.failed(clock.now())


def _why_expired(lease: Lease) -> str:
    if lease.deadline >= lease.since + LONGEST_SECONDS - 1:
        return "SQS keeps a message invisible for twelve hours at most"
    return "the visibility timeout ran out before a heartbeat succeeded"
