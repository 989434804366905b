"""Long polls that fill the buffer: one while idle, more while messages come."""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from worker import clock
from worker.errors import FatalError, TransientError, error_text
from worker.job import Message
from worker.lifecycle.stop import Stop
from worker.queue.deletes import Deletes
from worker.queue.flow import Buffer, Slots
from worker.queue.leases import Leases
from worker.queue.sqs import BATCH, Queue

log = structlog.get_logger()

LONGEST_SILENCE_SECONDS = 300  # of failing receives only: then a fresh worker is better
LONGEST_PAUSE_SECONDS = 20
LOOK_SECONDS = 1.0
ON_THE_WAY_SECONDS = 1.0  # an answer, at most, as far as anybody can tell
SHORT_POLL_PAUSE_SECONDS = 1.0  # with WORKER_WAIT_SECONDS=0, as every receive is billed


@dataclass(slots=True)
class IdleTracker:
    """What the polls know together: whether messages come, and since when none has."""

    idle_seconds: float
    wait_seconds: int
    last_message: float = field(default_factory=clock.now)
    polls: int = 0
    active: asyncio.Event = field(default_factory=asyncio.Event)

    def should_exit(self, *, received: int, in_hand: int) -> bool:
        """Take in what a poll brought; tell whether the worker may leave."""
        if received:
            self.active.set()
        else:
            self.active.clear()
        if received or in_hand:
            self.last_message = clock.now()
            return False
        # Another poll under way may bring messages yet.
        return not self.polls and self.remaining_seconds() <= 0

    def remaining_seconds(self) -> float:
        """Tell how long until the worker may leave: for ever when it never does."""
        if self.idle_seconds < 0:
            return math.inf
        return self.last_message + self.idle_seconds - clock.now()

    def poll_seconds(self) -> int:
        """Tell how long the next poll may wait.

        None outlasts the idle time, and none is of no wait at all because of it: such a receive
        asks only some of SQS's servers, so that its emptiness says nothing.
        """
        return math.ceil(min(self.wait_seconds, max(1.0, self.remaining_seconds())))


@dataclass(frozen=True, slots=True)
class Batch:
    """What a receive brought, and when."""

    messages: Sequence[Message]
    answered: float


@dataclass(frozen=True, slots=True)
class Consumer:
    """One poll loop; the first goes on while idle, the others rest until messages come."""

    first: bool
    queue: Queue
    buffer: Buffer
    slots: Slots
    leases: Leases
    deletes: Deletes
    idle: IdleTracker
    stop: Stop

    async def run(self) -> None:
        """Receive until the stop; a poll under way is always finished."""
        while self.stop.reason is None:
            if not self.first:
                await self.idle.active.wait()
            slots = await self.slots.reserve(BATCH)
            batch = await self._receive(slots)
            claimed = self._claim(batch)
            self.slots.give_back(slots - claimed)
            if self.idle.should_exit(received=len(batch.messages), in_hand=len(self.leases)):
                self.stop.request("idle")
            if not batch.messages and not self.idle.wait_seconds:
                await self.stop.wait_for(SHORT_POLL_PAUSE_SECONDS)

    def _claim(self, batch: Batch) -> int:
        """Hold all that came before anything else may run; count what is new."""
        fresh = [
            message
            for message in batch.messages
            if not self.deletes.settles(message)
            and self.leases.claim(message, answered=batch.answered)
        ]
        self.buffer.put(fresh)
        return len(fresh)

    async def _receive(self, slots: int) -> Batch:
        failing_since: float | None = None
        pause = 0.5
        while slots and self.stop.reason is None:
            self.idle.polls += 1
            try:
                return await self._poll(slots)
            except TransientError as error:
                if failing_since is None:
                    failing_since = clock.now()
                elif clock.now() - failing_since > LONGEST_SILENCE_SECONDS:
                    raise FatalError(
                        f"no receive has succeeded for {LONGEST_SILENCE_SECONDS} s: {error}"
                    ) from error
                log.warning("receive failed", error=error_text(error), again_in=round(pause, 1))
            finally:
                self.idle.polls -= 1
            await self.stop.wait_for(random.uniform(pause / 2, pause))  # noqa: S311 - jitter
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
        return Batch([], clock.now())

    async def _poll(self, slots: int) -> Batch:
        """Receive; a cancellation waits for the answer, as SQS may have assigned messages to it."""
        sent, seconds = clock.now(), self.idle.poll_seconds()
        poll = asyncio.ensure_future(self.queue.receive(slots, seconds))
        try:
            idle_at = await _last_idle(poll)
            return _batch(await asyncio.shield(poll), idle_at, sent, seconds)
        except asyncio.CancelledError:
            left = sent + seconds + ON_THE_WAY_SECONDS - clock.now()
            await asyncio.wait([poll], timeout=max(0.0, left))
            poll.cancel()
            (answer,) = await asyncio.gather(poll, return_exceptions=True)
            if not isinstance(answer, BaseException):
                self._claim(_batch(answer, clock.now(), sent, seconds))  # to be given back
            raise


async def _last_idle(poll: "asyncio.Future[list[Message]]") -> float:
    """Wait for an answer; tell when this process last looked and there was none."""
    while True:
        looked = clock.now()
        done, _ = await asyncio.wait([poll], timeout=LOOK_SECONDS)
        if done:
            return looked


def _batch(messages: Sequence[Message], idle_at: float, sent: float, seconds: int) -> Batch:
    """Date an answer: one that took too long, or that a suspended process finds, is an old one."""
    now = clock.now()
    if now > sent + seconds + ON_THE_WAY_SECONDS:
        return Batch(messages, sent)
    return Batch(messages, idle_at if now > idle_at + LOOK_SECONDS + ON_THE_WAY_SECONDS else now)
