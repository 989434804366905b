"""python -m benchmarks.fair_queues: how long files wait that land during a backfill.

A simulation, not a measurement: neither AWS's fair queues nor an emulator of them was at hand. It
assumes of SQS what AWS documents:

- Messages with one MessageGroupId are a group. A message without one is a group of its own.
- A group is noisy if it has more than a tenth of all messages in flight, and at least 30 of them.
  (A share of the consumers' time of more than a tenth makes it noisy too. That is left out: it
  could only find the backfill earlier.)
- While a group is noisy, messages of other groups are received first. It is noisy until no message
  of it is left.
- Otherwise older messages are received first.

AWS does not say how long it takes to find a noisy group, so two values are assumed. A receive takes
no time. The backfill's messages are all there at the beginning, and so are the workers. A worker
predicts 100 files a second, each of which takes equally long, and holds up to 32 messages, which it
predicts in the order in which it received them. Files land by chance, two a second on average.
"""

import math
import random
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.backlog_simulation import HELD
from benchmarks.costs import FILES_PER_SECOND

BACKFILL = 100_000
FLEETS = (1, 4, 10)
LANDINGS_PER_SECOND = 2.0
RECEIVED = 10  # messages at most by one receive
NOISY_SHARE, NOISY_MESSAGES = 0.10, 30
# How long SQS takes to find a group noisy. AWS names no figure.
QUEUES = {"none": math.inf, "found after 30 s": 30.0, "found after 5 min": 300.0}
STEP_SECONDS = 0.1
FILES_A_STEP = round(FILES_PER_SECOND * STEP_SECONDS)
SEED = 2018


@dataclass(frozen=True, slots=True)
class Message:
    """A message; `group` is None for a file that has landed."""

    sent_at: float
    group: str | None


@dataclass(slots=True)
class Queue:
    """A standard queue, with the messages of a backfill and of files that land meanwhile."""

    detection_seconds: float  # infinite: no message has a group
    backfill: deque[Message]
    live: deque[Message] = field(default_factory=deque)
    in_flight: int = 0
    of_backfill: int = 0  # among those in flight
    over_since: float = math.inf  # since when the backfill has been over the thresholds

    def look(self, now: float) -> None:
        """Compare the backfill's share of the messages in flight with the thresholds."""
        many = self.of_backfill >= NOISY_MESSAGES
        if many and self.of_backfill > NOISY_SHARE * self.in_flight:
            self.over_since = min(self.over_since, now)

    def receive(self, now: float, most: int) -> list[Message]:
        """Return up to `most` messages, which are in flight from now on."""
        is_noisy = now - self.over_since >= self.detection_seconds
        received = list[Message]()
        while len(received) < most and (self.live or self.backfill):
            source = self.live if self._is_live_next(is_noisy=is_noisy) else self.backfill
            received.append(source.popleft())
        self.in_flight += len(received)
        self.of_backfill += sum(message.group is not None for message in received)
        return received

    def _is_live_next(self, *, is_noisy: bool) -> bool:
        if not self.live or not self.backfill:
            return bool(self.live)
        return is_noisy or self.live[0].sent_at < self.backfill[0].sent_at

    def delete(self, message: Message) -> None:
        """Take a message that is done out of those in flight."""
        self.in_flight -= 1
        self.of_backfill -= message.group is not None


@dataclass(slots=True)
class Simulation:
    """A fleet empties a queue; `waits` are the sorted seconds from landing to prediction."""

    workers: int
    detection_seconds: float
    files: int = BACKFILL
    seconds: float = 0.0  # until the backfill is done
    waits: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Simulate until the backfill is done, and the files that have landed until then."""
        queue = Queue(self.detection_seconds, deque([Message(0.0, "run")] * self.files))
        held = [deque[Message]() for _ in range(self.workers)]
        landings, now = _landings(), 0.0
        landing = next(landings)
        while queue.backfill or queue.of_backfill:
            now += STEP_SECONDS
            while landing <= now:
                queue.live.append(Message(landing, None))
                landing = next(landings)
            self._step(queue, held, now)
        self.seconds = now
        while queue.live or queue.in_flight:
            now += STEP_SECONDS
            self._step(queue, held, now)
        self.waits.sort()

    def _step(self, queue: Queue, held: Sequence[deque[Message]], now: float) -> None:
        """Let each worker predict for a moment, and receive."""
        queue.look(now)
        for messages in held:
            for _ in range(min(FILES_A_STEP, len(messages))):
                message = messages.popleft()
                queue.delete(message)
                if message.group is None:
                    self.waits.append(now - message.sent_at)
            while received := queue.receive(now, min(RECEIVED, HELD - len(messages))):
                messages.extend(received)

    def wait(self, share: float) -> float:
        """Return the wait that this share of the landed files did not exceed."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


def _landings() -> Iterator[float]:
    """Yield when files land: by chance, and the same in every simulation."""
    draw, now = random.Random(SEED), 0.0  # noqa: S311 - no secret
    while True:
        now += draw.expovariate(LANDINGS_PER_SECOND)
        yield now


def table(fleets: Sequence[int] = FLEETS) -> Iterator[str]:
    """Yield the table of waits, for each fleet with and without groups."""
    yield "| workers | backfill, min | groups | half, s | 95 %, s | longest, s |"
    yield "|---" * 6 + "|"
    for workers in fleets:
        for name, detection_seconds in QUEUES.items():
            one = Simulation(workers, detection_seconds)
            one.run()
            waits = " | ".join(f"{one.wait(share):,.1f}" for share in (0.5, 0.95, 1.0))
            yield f"| {workers} | {one.seconds / 60:.1f} | {name} | {waits} |"


def main() -> int:
    """Print the table of docs/backfill.md."""
    print(*table(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
