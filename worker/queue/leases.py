"""Leases: heartbeats keep every received message invisible until it is settled or lost."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog

from worker import clock
from worker.errors import FatalError, LeaseLost, error_text, stray_cancellations_as_errors
from worker.job import Message
from worker.lifecycle.supervision import background
from worker.queue.sqs import BATCH_SIZE, EntryResult, SqsQueue

log = structlog.get_logger()

# SQS keeps a message invisible for twelve hours at most. A minute less: the message may have been
# received that long before the receive's answer arrived.
MAX_LEASE_SECONDS = 43_200 - 60
RETRY_SECONDS = 0.5  # from a failed heartbeat to the next one
CONFIRM_AFTER_SECONDS = 1.0  # a message that waited longer needs a heartbeat before its job starts
MAX_REST_SECONDS = 900.0  # after a lease was lost because heartbeats fail
TICK_SECONDS = 0.001  # a timer may fire slightly early, and must still find its lease due


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """The visibility timeout and the seconds between heartbeats."""

    visibility: int
    heartbeat: float

    def next_beat(self, now: float, seconds_left: float) -> float:
        """Return when to send the next heartbeat for a lease with that many seconds left."""
        jitter = random.uniform(0.8, 1.0)  # noqa: S311 - no secret
        return now + min(self.heartbeat, seconds_left / 3) * jitter


@dataclass(slots=True, eq=False)
class Lease:
    """The worker's hold on one message. All times are the event loop's, in seconds."""

    message: Message  # its first delivery, for which the job was started
    deliveries: list[Message]  # that one and all later ones while the message was in hand
    handle: str
    since: float  # when the receive was answered
    deadline: float  # from then on SQS may deliver the message to another worker
    due: float  # when the next heartbeat is sent
    beat: "asyncio.Task[None] | None" = None  # the heartbeat under way
    job: "asyncio.Task[object] | None" = None
    lost: str | None = None  # the reason
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(cls, message: Message, answered: float, times: LeaseTimes) -> "Lease":
        """Create the lease of a message whose receive was answered at that time."""
        deadline = answered + times.visibility
        due = times.next_beat(answered, times.visibility)
        return cls(message, [message], message.receipt_handle, answered, deadline, due)

    def received_again(self, message: Message, answered: float, times: LeaseTimes) -> None:
        """Switch to the newer delivery; SQS counts its twelve hours from this receive.

        A heartbeat is due at once: nobody knows whether the older one had ended the visibility.
        """
        self.deliveries.append(message)
        self.handle, self.since = message.receipt_handle, answered
        self.deadline = answered + times.visibility
        self.due = answered

    def is_of(self, message: Message) -> bool:
        """Return whether this is the lease of that delivery; a later one may have its own."""
        return any(delivery is message for delivery in self.deliveries)

    def extension(self, now: float, times: LeaseTimes) -> int:
        """Return the seconds that a heartbeat sent now may ask for, within SQS's twelve hours."""
        return max(1, min(times.visibility, int(self.since + MAX_LEASE_SECONDS - now)))

    def extend(self, sent: float, seconds: int, times: LeaseTimes) -> None:
        """Move the deadline after a successful heartbeat, unless it was sent past the deadline."""
        if self.lost is not None or sent >= self.deadline:
            return
        self.deadline = sent + seconds
        at_the_limit = seconds < times.visibility
        self.due = math.inf if at_the_limit else times.next_beat(sent, seconds)
        self.confirmed.set()

    def retry(self, now: float) -> None:
        """Send the next heartbeat soon: a failed one costs nothing before the deadline."""
        self.due = now + RETRY_SECONDS


class Leases:
    """All leases, and the one background loop that extends them."""

    def __init__(
        self,
        queue: SqsQueue,
        *,
        visibility_seconds: int,
        heartbeat_seconds: float,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self._queue = queue
        self._on_loss = on_loss
        self._times = LeaseTimes(visibility_seconds, heartbeat_seconds)
        self._held: dict[str, Lease] = {}
        self._wake = asyncio.Event()
        self._failing_since: float | None = None
        self._rests_until = 0.0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def failing(self) -> bool:
        """Whether the last heartbeat failed as a call: what is received may be lost."""
        return self._failing_since is not None

    @property
    def resting(self) -> bool:
        """Whether a lease was lost since: for as long as heartbeats had failed, up to a limit."""
        return self.failing and clock.now() < self._rests_until

    def message_ids(self) -> list[str]:
        """Return the ids of the messages in hand."""
        return list(self._held)

    def claim(self, message: Message, *, answered: float | None = None) -> bool:
        """Hold a received message; returns False if it is in hand already, under one job.

        `answered` is when the receive was answered; None means just now.
        """
        answered = clock.now() if answered is None else answered
        known = self._held.get(message.id)
        if known is not None:
            known.received_again(message, answered, self._times)
        else:
            lease = self._held[message.id] = Lease.of(message, answered, self._times)
            if self.failing:
                lease.due = answered  # to see whether heartbeats succeed again
        self._wake.set()
        return known is None

    def latest(self, message: Message) -> Message:
        """Return the newest delivery of a message in hand, which has the number of receives."""
        lease = self._held.get(message.id)
        return lease.deliveries[-1] if lease is not None and lease.is_of(message) else message

    def check(self, message: Message) -> None:
        """Raise LeaseLost unless the message is certainly held."""
        self._lease_of(message)

    async def confirm(self, message: Message) -> None:
        """Send a heartbeat for a message that waited in the buffer; raises LeaseLost."""
        lease = self._lease_of(message)
        if clock.now() - lease.since >= CONFIRM_AFTER_SECONDS and not lease.confirmed.is_set():
            lease.due = 0.0
            self._wake.set()
            await lease.confirmed.wait()
            self._lease_of(message)

    @contextmanager
    def cancel_if_lost(self, message: Message) -> Iterator[None]:
        """Cancel the block if the lease is lost; the block then raises LeaseLost."""
        lease = self._lease_of(message)
        task = asyncio.current_task()
        assert task is not None
        lease.job = task
        try:
            yield
        except asyncio.CancelledError:
            # `_lose` cancelled the task once. A second cancellation comes from the worker's stop.
            if lease.lost and task.uncancel() == 0:
                raise LeaseLost(lease.lost) from None
            raise
        finally:
            lease.job = None

    async def end(self, message: Message) -> Lease:
        """Remove and return the message's lease, whose handle settles the message.

        Waits for a heartbeat under way, which would overwrite the settlement; no heartbeat follows.
        Raises LeaseLost.
        """
        lease = self._lease_of(message)
        del self._held[message.id]
        if lease.beat is not None:
            await asyncio.wait([lease.beat])
        if lease.lost or clock.now() >= lease.deadline:
            reason = lease.lost or "the visibility timeout ran out"
            self._note_loss(message, reason)
            raise LeaseLost(reason)
        return lease

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Send heartbeats for the length of the block."""
        async with background("heartbeat", self._beat_until_cancelled):
            yield

    def _lease_of(self, message: Message) -> Lease:
        lease = self._held.get(message.id)
        if lease is not None and not lease.is_of(message):
            lease = None
        if lease is not None and clock.now() >= lease.deadline:
            self._lose(lease, "the visibility timeout ran out")
            lease = None
        if lease is None:
            raise LeaseLost(f"message {message.id} is no longer ours")
        return lease

    def _lose(self, lease: Lease, reason: str) -> None:
        if lease.lost is not None:
            return  # the job would take a second cancellation for the worker's stop
        lease.lost = reason
        if self._held.get(lease.message.id) is lease:
            del self._held[lease.message.id]
            self._note_loss(lease.message, reason)
        lease.confirmed.set()
        if lease.job is not None and lease.job is not asyncio.current_task():
            lease.job.cancel()

    def _note_loss(self, message: Message, reason: str) -> None:
        log.warning("lease lost", message_id=message.id, reason=reason)
        self._on_loss()

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
        now = clock.now()
        soon = now + TICK_SECONDS
        for lease in [lease for lease in self._held.values() if lease.deadline <= soon]:
            self._lose(lease, _expiry_reason(lease))
            if self._failing_since is not None:
                self._rests_until = now + min(MAX_REST_SECONDS, now - self._failing_since)

    def _due(self) -> Iterator[Sequence[Lease]]:
        now = clock.now() + TICK_SECONDS
        waiting = [lease for lease in self._held.values() if lease.beat is None]
        if not any(lease.due <= now for lease in waiting):
            return
        # Leases that are due soon join them: one call extends up to ten messages.
        soon = [lease for lease in waiting if lease.due <= now + self._times.heartbeat / 5]
        for start in range(0, len(soon), BATCH_SIZE):
            yield soon[start : start + BATCH_SIZE]

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
            results = await self._send_beat(list(zip(handles, seconds, strict=True)))
        finally:
            for lease in batch:
                lease.beat = None  # whatever happened: another heartbeat may follow
        for lease, handle, extension, result in zip(batch, handles, seconds, results, strict=True):
            if lease.handle == handle:  # a newer receive has a deadline of its own
                self._apply(lease, result, sent, extension)
        self._wake.set()

    async def _send_beat(self, changes: Sequence[tuple[str, int]]) -> Sequence[EntryResult]:
        try:
            with stray_cancellations_as_errors():
                async with asyncio.timeout(max(1.0, self._times.heartbeat / 2)):
                    results = await self._queue.change_visibility(changes)
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - any error may pass before the deadline
            if self._failing_since is None:
                self._failing_since = clock.now()
            log.warning(
                "heartbeat failed, retrying", messages=len(changes), error=error_text(error)
            )
            return [EntryResult.FAILED] * len(changes)
        self._failing_since = None
        return results

    def _apply(self, lease: Lease, result: EntryResult, sent: float, seconds: int) -> None:
        match result:
            case EntryResult.OK:
                lease.extend(sent, seconds, self._times)
            case EntryResult.REFUSED:
                self._lose(lease, "SQS no longer accepts the receipt handle")
            case EntryResult.FAILED:
                lease.retry(clock.now())


def _expiry_reason(lease: Lease) -> str:
    if lease.deadline >= lease.since + MAX_LEASE_SECONDS - 1:
        return "SQS keeps a message invisible for twelve hours at most"
    return "the visibility timeout ran out before a heartbeat succeeded"
