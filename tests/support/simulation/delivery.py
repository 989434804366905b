"""Delivers messages of a simulated queue, or moves them to its dead-letter queue."""

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.simulation.behaviour import SqsBehaviour, happens
from tests.support.simulation.effects import DeadLettered, Received, SqsEffect, now
from tests.support.simulation.message import StoredMessage
from tests.support.simulation.queue import SimulatedQueue


@dataclass
class Delivery:
    """Delivers messages as the simulated behaviour says, and reports each effect."""

    queues: Mapping[str, SimulatedQueue]
    randomness: random.Random
    behaviour: SqsBehaviour
    report: Callable[[SqsEffect], None]
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def poll(
        self, queue: SimulatedQueue, limit: int, wait_seconds: int, visibility_seconds: int
    ) -> list[StoredMessage]:
        """Return at most `limit` messages, as soon as there are any."""
        end = now() + wait_seconds
        if queue.visible() and happens(self.randomness, self.behaviour.empty):
            return []
        while not (delivered := self._chosen(queue, limit)) and now() < end:
            await queue.change(until=end)
        for message in delivered:
            self._deliver(queue, message, visibility_seconds)
        return delivered

    def _chosen(self, queue: SimulatedQueue, limit: int) -> list[StoredMessage]:
        self._move_to_dead_letters(queue)
        ready = queue.visible()
        if self.behaviour.shuffled:
            self.randomness.shuffle(ready)
        chosen = ready[:limit]
        in_flight = [message for message in queue.in_flight() if not queue.is_spent(message)]
        if in_flight and len(chosen) < limit and happens(self.randomness, self.behaviour.duplicate):
            chosen.append(self.randomness.choice(in_flight))
        chosen += [again for again in queue.due_again() if again not in chosen]
        return chosen[:limit]

    def _move_to_dead_letters(self, queue: SimulatedQueue) -> None:
        """Move visible messages that have used up their receives."""
        for message in queue.visible():
            if queue.redrive is not None and queue.is_spent(message):
                del queue.messages[message.id]
                self.queues[queue.redrive.dead_letter_queue].add(message.moved(queue.arn))
                self.report(DeadLettered(queue.name, message.id, now()))

    def _deliver(
        self, queue: SimulatedQueue, message: StoredMessage, visibility_seconds: int
    ) -> None:
        handle = f"handle-{next(self._numbers)}"
        queue.deliver(message, handle, visibility_seconds)
        self.report(
            Received(queue.name, message.id, handle, message.receives, message.visible_at, now())
        )
