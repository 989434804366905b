"""python -m benchmarks.backlog: a million files at once, second by second, for fleets of sizes.

A simulation, and no measurement. Documented, and minded: RunTask and Fargate's launches, 20 a
second each; S3, 3,500 PUTs and 5,500 GETs a second on a prefix; Lambda, 1,000 at once; SQS, 120,000
messages in flight. Assumed: what benchmarks/costs.py assumes of a worker and of the dispatcher;
that of all looks at the fleet in a second one is not throttled; and one prefix for all files.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import prices
from benchmarks.costs import (
    CAPACITIES,
    DISPATCH_SECONDS,
    DISPATCHER_GB,
    FILES_PER_SECOND,
    IDLE_SECONDS,
    MESSAGES_PER_TASK,
    START_SECONDS,
    STOP_SECONDS,
    VCPUS,
)

FILES = 1_000_000
FLEETS = (4, 10, 40, 100, 1000)
LAUNCHES = 20  # a second
PUTS = (
    3_500  # a second and prefix, of files that land and of outputs; GETs are never the narrow place
)
FUNCTIONS = 1_000  # at once
HELD = 32  # messages that a worker has in hand, with the default WORKER_CONCURRENCY
IN_FLIGHT = 120_000
SQS_CALLS_A_FILE = 1 + 1 + 0.125 + 0.1  # sent, counted, received by eight, deleted by ten
S3_CALLS_A_FILE = 2


@dataclass
class Backlog:
    """A million files and a fleet, as they are after some seconds."""

    max_tasks: int
    seconds: int = 0
    landed: int = 0
    sent: int = 0
    done: int = 0
    starts: list[int] = field(default_factory=list)  # the second in which each task was asked for

    def play(self) -> None:
        """Let time pass until all is done."""
        while self.done < FILES:
            self.seconds += 1
            self.landed += min(PUTS, FILES - self.landed)
            self.sent += min(int(FUNCTIONS / DISPATCH_SECONDS), self.landed - self.sent)
            self._start()
            work = min(PUTS, self._working * FILES_PER_SECOND * VCPUS)
            self.done += min(work, self.sent - self.done)

    def _start(self) -> None:
        wanted = min(math.ceil((self.sent - self.done) / MESSAGES_PER_TASK), self.max_tasks)
        lacking = max(0, wanted - len(self.starts))
        self.starts += [self.seconds] * min(LAUNCHES, lacking)

    @property
    def _working(self) -> int:
        """How many workers receive: none leaves before the end, as none is ever idle."""
        ready = sum(at + START_SECONDS <= self.seconds for at in self.starts)
        return min(ready, IN_FLIGHT // HELD)

    @property
    def task_seconds(self) -> int:
        """How long all workers together are billed."""
        over = self.seconds + IDLE_SECONDS + STOP_SECONDS
        return sum(over - at for at in self.starts)

    def requests(self) -> float:
        """What all calls and invocations cost, in dollars."""
        dispatcher = prices.INVOCATION.dollars
        dispatcher += DISPATCH_SECONDS * DISPATCHER_GB * prices.GB_SECOND.dollars
        objects = 2 * prices.PUT.dollars + prices.GET.dollars
        return FILES * (dispatcher + SQS_CALLS_A_FILE * prices.SQS.dollars + objects)


def table() -> Iterator[str]:
    """Time, tasks, calls and dollars for each size of the fleet."""
    names = " | ".join(f"workers, {capacity.name}, $" for capacity in CAPACITIES)
    yield f"| MaxTasks | minutes | tasks | in flight | S3 and SQS calls | {names} | requests, $ |"
    yield "|---" * (len(CAPACITIES) + 6) + "|"
    for most in FLEETS:
        backlog = Backlog(most)
        backlog.play()
        calls = FILES * (SQS_CALLS_A_FILE + S3_CALLS_A_FILE) / 1e6
        hours = backlog.task_seconds / 3600
        workers = " | ".join(f"{hours * capacity.per_hour:.2f}" for capacity in CAPACITIES)
        tasks = len(backlog.starts)
        yield (
            f"| {most:,} | {backlog.seconds / 60:.1f} | {tasks:,} | {tasks * HELD:,} | "
            f"{calls:.1f} million | {workers} | {backlog.requests():.2f} |"
        )


def main() -> int:
    """Print the table as docs/costs.md has it."""
    print(*table(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
