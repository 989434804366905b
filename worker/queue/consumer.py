"""Consumers: long polls that fill the buffer, one of them while idle, all of them when active.

Nothing is received that could not be settled: a message in the queue costs no receive.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from worker import clock
from worker.errors import FatalError, TransientError, error_text
from worker.job import Message
from worker.lifecycle.breaker import Breaker
from worker.lifecycle.stop import Stop
from worker.queue.deletes import Deletes
from worker.queue.flow import Buffer, Slots
from worker.queue.idle import IdleTracker
from worker.queue.leases import Leases
from worker.queue.sqs import BATCH_SIZE, SqsQueue

log = structlog.get_logger()

# Without a successful receive, and with nothing in hand: then a new worker may succeed.
MAX_FAILING_SECONDS = 300
MAX_PAUSE_SECONDS = 20  # between receives that fail
LOOK_SECONDS = 1.0  # how often the wait for an answer checks the clock
TRANSIT_SECONDS = 1.0  # the assumed upper limit of an answer's way from SQS
SHORT_POLL_PAUSE_SECONDS = 1.0  # with WORKER_WAIT_SECONDS=0: every receive is billed


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """The messages of one receive, and when it was answered."""

    messages: Sequence[Message]
    answered: float


@dataclass(frozen=True, slots=True)
class Consumer:
    """One poll loop. The first consumer goes on while idle; the others wait for messages."""

    first: bool
    queue: SqsQueue
    buffer: Buffer
    slots: Slots
    leases: Leases
    deletes: Deletes
    idle: IdleTracker
    stop: Stop
    breaker: Breaker

    async def run(self) -> None:
        """Receive until the stop; a poll under way is always finished."""
        while self.stop.reason is None:
            if not self.first:
                await self.idle.active.wait()
            slots = await self.slots.reserve(BATCH_SIZE)
            batch = await self._receive(slots)
            claimed = self._claim(batch)
            self.slots.give_back(slots - claimed)
            # A message that is not deleted yet would come back to the next worker.
            in_hand = len(self.leases) + len(self.deletes)
            if self.idle.should_exit(received=len(batch.messages), in_hand=in_hand):
                self.stop.request("idle")
            if not batch.messages and not self.idle.wait_seconds:
                await self.stop.wait_for(SHORT_POLL_PAUSE_SECONDS)

    async def _limit(self) -> int:
        """Wait while jobs, deletes or heartbeats fail; returns how many messages to receive.

        With nothing in hand, one message is received, which shows whether AWS works again. After a
        stop it returns 0.
        """
        while self.stop.reason is None:
            if not (self.breaker.tripped or self.deletes.failing or self.leases.failing):
                return BATCH_SIZE
            held = len(self.leases) or self.deletes.failing or self.leases.resting
            # Any consumer, since the one that waits here may hold all slots; but one at a time.
            if not held and not self.idle.polls:
                return 1
            await self.stop.wait_for(LOOK_SECONDS)
            self.idle.count_anew()
        return 0

    def _claim(self, batch: ReceivedBatch) -> int:
        """Lease the whole batch before anything else can run; returns the number of new jobs."""
        new = [
            message
            for message in batch.messages
            if not self.deletes.settles(message)
            and self.leases.claim(message, answered=batch.answered)
        ]
        self.buffer.put(new)
        return len(new)

    async def _receive(self, slots: int) -> ReceivedBatch:
        failing_since: float | None = None
        pause = 0.5
        while limit := min(slots, await self._limit()):
            self.idle.polls += 1
            try:
                return await self._poll(limit)
            except TransientError as error:
                if failing_since is None:
                    failing_since = clock.now()
                elif clock.now() - failing_since > MAX_FAILING_SECONDS and not len(self.leases):
                    raise FatalError(
                        f"no receive has succeeded for {MAX_FAILING_SECONDS} s: {error}"
                    ) from error
                log.warning(
                    "receive failed, retrying",
                    error=error_text(error),
                    retry_in_seconds=round(pause, 1),
                )
            finally:
                self.idle.polls -= 1
            await self.stop.wait_for(random.uniform(pause / 2, pause))  # noqa: S311 - jitter
            pause = min(MAX_PAUSE_SECONDS, pause * 2)
        return ReceivedBatch([], clock.now())

    async def _poll(self, slots: int) -> ReceivedBatch:
        """Receive. Even when cancelled, wait for the answer: SQS may have assigned messages."""
        sent, seconds = clock.now(), self.idle.poll_seconds()
        poll = asyncio.ensure_future(self.queue.receive(slots, seconds))
        try:
            last_look = await _wait_for_answer(poll)
            return _dated(await asyncio.shield(poll), last_look, sent, seconds)
        except asyncio.CancelledError:
            seconds_left = sent + seconds + TRANSIT_SECONDS - clock.now()
            await asyncio.wait([poll], timeout=max(0.0, seconds_left))
            poll.cancel()
            (answer,) = await asyncio.gather(poll, return_exceptions=True)
            if not isinstance(answer, BaseException):
                # Leased, so that the shutdown releases them.
                self._claim(_dated(answer, clock.now(), sent, seconds))
            raise


async def _wait_for_answer(poll: "asyncio.Future[list[Message]]") -> float:
    """Wait for the answer; returns the last time at which it had not arrived yet."""
    while True:
        last_look = clock.now()
        done, _ = await asyncio.wait([poll], timeout=LOOK_SECONDS)
        if done:
            return last_look


def _dated(
    messages: Sequence[Message], last_look: float, sent: float, seconds: int
) -> ReceivedBatch:
    """Return the batch with the earliest time at which SQS can have sent it.

    If the answer took longer than a poll can take, that is the time of the request. If the process
    was suspended meanwhile, that is its last look before the suspension.
    """
    now = clock.now()
    if now > sent + seconds + TRANSIT_SECONDS:
        return ReceivedBatch(messages, sent)
    if now > last_look + LOOK_SECONDS + TRANSIT_SECONDS:
        return ReceivedBatch(messages, last_look)
    return ReceivedBatch(messages, now)
