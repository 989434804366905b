"""The idle tracker: whether messages arrive, and when the worker has been idle for long enough."""

import asyncio
import math
from dataclasses import dataclass, field

from worker import clock

# Chosen by `python -m benchmarks.idle_simulation`. ALONE is about as long as a new worker takes to
# start: that wait costs as much as the start that it may spare.
ALONE_SECONDS, BUSY_SECONDS = 30.0, 60.0


def automatic_seconds(messages: int) -> float:
    """Return how long a worker that has received so many messages waits for another one.

    A file that came alone is most often followed by none, and after a burst by some more.
    """
    return ALONE_SECONDS if messages <= 1 else BUSY_SECONDS


@dataclass(slots=True)
class IdleTracker:
    """Tracks for all consumers whether messages arrive, and since when none has arrived.

    Without `idle_seconds` the time until the exit depends on how many messages have come.
    """

    idle_seconds: float | None
    wait_seconds: int
    last_message: float = field(default_factory=clock.now)
    messages: int = 0
    polls: int = 0
    active: asyncio.Event = field(default_factory=asyncio.Event)

    def should_exit(self, *, received: int, in_hand: int) -> bool:
        """Record what a poll received; returns whether the worker has been idle enough."""
        self.messages += received
        if received:
            self.active.set()
        else:
            self.active.clear()
        if received or in_hand:
            self.last_message = clock.now()
            return False
        # A poll that is still under way may receive messages.
        return not self.polls and self.remaining_seconds() <= 0

    def count_anew(self) -> None:
        """Count the idle time from now on: nobody has looked for messages before."""
        self.last_message = clock.now()

    def remaining_seconds(self) -> float:
        """Return the seconds until the worker may exit; infinite if it never does."""
        limit = self.idle_seconds
        if limit is None:
            limit = automatic_seconds(self.messages)
        if limit < 0:
            return math.inf
        return self.last_message + limit - clock.now()

    def poll_seconds(self) -> int:
        """Return the seconds that the next poll may wait.

        No poll outlasts the idle time, but each waits for a second at least: a receive without a
        wait asks only some of SQS's servers, so its empty answer does not show an empty queue.
        """
        return math.ceil(min(self.wait_seconds, max(1.0, self.remaining_seconds())))
