"""How messages of a simulated queue are given out, or moved to its dead-letter queue."""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.simulation.effects import DeadLettered, Received, SqsEffect, now
from tests.support.simulation.habits import SqsHabits, happens
from tests.support.simulation.message import StoredMessage
from tests.support.simulation.queue import SimulatedQueue


@dataclass
class Delivery:
    """Gives messages out as SQS's habits have it, and tells of it."""

    queues: Mapping[str, SimulatedQueue]
    randomness: random.Random
    habits: SqsHabits
    tell: Callable[[SqsEffect], None]
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def poll(
        self, queue: SimulatedQueue, limit: int, wait_seconds: int, visibility_seconds: int
    ) -> list[StoredMessage]:
        """Give out at most `limit` messages, as soon as there are any."""
        end = now() + wait_seconds
        if queue.visible() and happens(self.randomness, self.habits.empty):
            return []
        while not (given := self._chosen(queue, limit)) and now() < end:
            await queue.change(until=end)
        for message in given:
            self._give(queue, message, visibility_seconds)
        return given

    def _chosen(self, queue: SimulatedQueue, limit: int) -> list[StoredMessage]:
        self._bury(queue)
        ready = queue.visible()
        if self.habits.shuffled:
            self.randomness.shuffle(ready)
        chosen = ready[:limit]
        again = [message for message in queue.in_flight() if not queue.is_spent(message)]
        if again and len(chosen) < limit and happens(self.randomness, self.habits.duplicate):
            chosen.append(self.randomness.choice(again))
        return chosen

    def _bury(self, queue: SimulatedQueue) -> None:
        """Move away what is visible again and was received too often."""
        for message in queue.visible():
            if queue.redrive is not None and queue.is_spent(message):
                del queue.messages[message.id]
                self.queues[queue.redrive.dead_letter_queue].add(message.moved(queue.arn))
                self.tell(DeadLettered(queue.name, message.id, now()))

    def _give(self, queue: SimulatedQueue, message: StoredMessage, visibility_seconds: int) -> None:
        handle = f"handle-{next(self._numbers)}"
        queue.give(message, handle, visibility_seconds)
        self.tell(
            Received(queue.name, message.id, handle, message.receives, message.visible_at, now())
        )
