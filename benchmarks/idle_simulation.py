"""python -m benchmarks.idle_simulation: how long should a worker wait for another file?

A simulation, not a measurement: a thousand files for each pattern of arrival, one worker at a time.
A worker is billed from its start to its exit, for a minute at least, and predicts its first file
`START_SECONDS` after its start. A file that comes while a worker ends waits for the next worker.
The waiting time of a file is that until its output. The assumptions are those of
benchmarks/costs.py. `auto` is the worker's own rule.
"""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from benchmarks.costs import (
    CAPACITIES,
    FILES,
    FILES_PER_SECOND,
    MIN_SECONDS,
    START_SECONDS,
    STOP_SECONDS,
)
from worker.queue.idle import automatic_seconds

IdleRule = Callable[[int], float]  # from how many files a worker has got to its idle seconds

SHORT, MIDDLE, LONG = 15, 30, 60
RULES: dict[str, IdleRule] = {
    f"{SHORT} s": lambda _: SHORT,
    f"{MIDDLE} s": lambda _: MIDDLE,
    f"{LONG} s": lambda _: LONG,
    "auto": automatic_seconds,
}


def every(seconds: float) -> list[float]:
    """Return the times of files that come one after the other, always after so many seconds."""
    return [number * seconds for number in range(FILES)]


def at_random(mean_seconds: float) -> list[float]:
    """Return the times of files that come independently of each other."""
    draw = random.Random(1)  # noqa: S311 - the same in each run
    return list(accumulate(draw.expovariate(1 / mean_seconds) for _ in range(FILES)))


def bursts(size: int, spread_seconds: float) -> list[float]:
    """Return the times of bursts, one an hour, each spread over some seconds."""
    draw = random.Random(1)  # noqa: S311 - the same in each run
    return sorted(
        3600 * burst + draw.uniform(0, spread_seconds)
        for burst in range(FILES // size)
        for _ in range(size)
    )


PATTERNS = {
    "one an hour": every(3600),
    "at random, one an hour": at_random(3600),
    "at random, one in ten minutes": at_random(600),
    "at random, one in two minutes": at_random(120),
    "one in 90 s": every(90),
    "one in 45 s": every(45),
    "at random, one in 45 s": at_random(45),
    "one in 20 s": every(20),
    "two in 40 s, every hour": bursts(2, 40),
    "20 in five minutes, every hour": bursts(20, 300),
    "100 in a minute, every hour": bursts(100, 60),
}


@dataclass
class Worker:
    """A worker, from its start to its exit."""

    started: float
    idle_rule: IdleRule
    files: int = 0
    done: float = 0.0  # when its last file was done

    def predict(self, arrived: float) -> float:
        """Predict a file; returns when its output is there."""
        ready = max(arrived, self.started + START_SECONDS, self.done)
        self.files += 1
        self.done = ready + 1 / FILES_PER_SECOND
        return self.done

    @property
    def exits(self) -> float:
        """When it receives no more messages, if none comes."""
        return self.done + self.idle_rule(self.files)

    @property
    def billed(self) -> float:
        """The seconds for which it is billed."""
        return max(MIN_SECONDS, self.exits + STOP_SECONDS - self.started)


def simulate(arrivals: Sequence[float], idle_rule: IdleRule) -> tuple[float, float]:
    """Return the dollars for the workers, and the mean seconds until a file's output."""
    worker = Worker(arrivals[0], idle_rule)
    billed = waited = 0.0
    for arrived in arrivals:
        if worker.files and arrived > worker.exits:
            billed += worker.billed
            worker = Worker(max(arrived, worker.exits + STOP_SECONDS), idle_rule)
        waited += worker.predict(arrived) - arrived
    billed += worker.billed
    return billed / 3600 * CAPACITIES[0].per_hour, waited / len(arrivals)


def table() -> Iterator[str]:
    """Yield the table of dollars and waiting times, for each pattern and each rule."""
    yield f"| a thousand files | {' | '.join(RULES)} |"
    yield "|---" * (len(RULES) + 1) + "|"
    for name, arrivals in PATTERNS.items():
        results = [simulate(arrivals, idle_rule) for idle_rule in RULES.values()]
        cells = " | ".join(f"{dollars:.2f} $, {waited:.1f} s" for dollars, waited in results)
        yield f"| {name} | {cells} |"


def main() -> int:
    """Print the table of docs/costs.md."""
    print(*table(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
