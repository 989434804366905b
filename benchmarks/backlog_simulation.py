"""python -m benchmarks.backlog_simulation: a million files at once, for fleets of several sizes.

A simulation in steps of one second, not a measurement. It keeps to AWS's documented limits: 20
RunTask calls and 20 Fargate launches a second; 3,500 PUTs and 5,500 GETs a second for a prefix in
S3; 1,000 concurrent executions of Lambda; 120,000 messages in flight in SQS. It makes the same
assumptions about a worker and the dispatcher as benchmarks/costs.py. It also assumes that in each
second at least one check of the fleet is not throttled, and that all files have one prefix.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.costs import (
    CAPACITIES,
    DISPATCH_SECONDS,
    DISPATCHER_GB,
    FILES_PER_SECOND,
    MESSAGES_PER_TASK,
    START_SECONDS,
    STOP_SECONDS,
    VCPUS,
)
from tidegate.aws import prices
from worker.queue.idle import BUSY_SECONDS

FILES = 1_000_000
FLEETS = (4, 10, 40, 100, 1000)
LAUNCHES = 20  # a second
# A second for one prefix, uploads and outputs alike. The higher limit of GETs is never reached.
PUTS = 3_500
FUNCTIONS = 1_000  # at once
HELD = 32  # messages in flight by one worker, with the default WORKER_CONCURRENCY
IN_FLIGHT = 120_000
SQS_CALLS_A_FILE = (
    1 + 1 + 0.125 + 0.1
)  # a send, a count, an eighth of a receive, a tenth of a delete
S3_CALLS_A_FILE = 2


@dataclass
class Backlog:
    """The state of a million files and a fleet of workers at one second."""

    max_tasks: int
    seconds: int = 0
    uploaded: int = 0
    sent: int = 0
    done: int = 0
    starts: list[int] = field(default_factory=list)  # the second in which each task was started

    def run(self) -> None:
        """Simulate until all files are done."""
        while self.done < FILES:
            self.seconds += 1
            self.uploaded += min(PUTS, FILES - self.uploaded)
            self.sent += min(int(FUNCTIONS / DISPATCH_SECONDS), self.uploaded - self.sent)
            self._start()
            work = min(PUTS, self._working * FILES_PER_SECOND * VCPUS)
            self.done += min(work, self.sent - self.done)

    def _start(self) -> None:
        wanted = min(math.ceil((self.sent - self.done) / MESSAGES_PER_TASK), self.max_tasks)
        lacking = max(0, wanted - len(self.starts))
        self.starts += [self.seconds] * min(LAUNCHES, lacking)

    @property
    def _working(self) -> int:
        """The number of workers that receive; no worker is idle or exits before the end."""
        ready = sum(at + START_SECONDS <= self.seconds for at in self.starts)
        return min(ready, IN_FLIGHT // HELD)

    @property
    def task_seconds(self) -> float:
        """The seconds for which all workers together are billed."""
        end = self.seconds + BUSY_SECONDS + STOP_SECONDS
        return sum(end - at for at in self.starts)

    def requests(self) -> float:
        """Dollars for all calls and invocations."""
        dispatcher = prices.INVOCATION.dollars
        dispatcher += DISPATCH_SECONDS * DISPATCHER_GB * prices.GB_SECOND.dollars
        objects = 2 * prices.PUT.dollars + prices.GET.dollars
        return FILES * (dispatcher + SQS_CALLS_A_FILE * prices.SQS.dollars + objects)


def table() -> Iterator[str]:
    """Yield the table of time, tasks, calls and dollars for each size of the fleet."""
    names = " | ".join(f"workers, {capacity.name}, $" for capacity in CAPACITIES)
    yield f"| MaxTasks | minutes | tasks | in flight | S3 and SQS calls | {names} | requests, $ |"
    yield "|---" * (len(CAPACITIES) + 6) + "|"
    for max_tasks in FLEETS:
        backlog = Backlog(max_tasks)
        backlog.run()
        calls = FILES * (SQS_CALLS_A_FILE + S3_CALLS_A_FILE) / 1e6
        hours = backlog.task_seconds / 3600
        workers = " | ".join(f"{hours * capacity.per_hour:.2f}" for capacity in CAPACITIES)
        tasks = len(backlog.starts)
        yield (
            f"| {max_tasks:,} | {backlog.seconds / 60:.1f} | {tasks:,} | {tasks * HELD:,} | "
            f"{calls:.1f} million | {workers} | {backlog.requests():.2f} |"
        )


def main() -> int:
    """Print the table of docs/costs.md."""
    print(*table(), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
