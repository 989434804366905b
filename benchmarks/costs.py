"""python -m benchmarks.costs: what a thousand files cost, and what idling does.

Small files, with the template's own parameters. All that is not a price is an assumption, and
stands below by its name.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import prices
from benchmarks.prices import Price

FILES = 1000
MAX_TASKS, MESSAGES_PER_TASK, IDLE_SECONDS = 4, 100, 60  # the template's defaults
VCPUS, MEMORY_GB = 1, 4  # and these
FILES_PER_SECOND = 100  # of a vCPU; 190 of iris's size were measured on a core
START_SECONDS = 30  # from the beginning of the pull to the first receive
STOP_SECONDS = 15  # the last long poll, and the end
DISPATCH_SECONDS, DISPATCHER_GB = 0.3, 0.25
SWEEPS_A_MONTH = 30 * 24 * 12
METRICS = 4  # that the worker sends when nothing goes wrong
LOG_BYTES_A_FILE, LOG_BYTES_A_TASK, LOG_BYTES_A_SWEEP = 2_000, 2_000, 700
REQUESTS_A_FILE, REQUESTS_A_TASK = (
    3.1,
    7,
)  # of SQS: send, count, receive, a tenth of a delete; polls


@dataclass(frozen=True, slots=True)
class Capacity:
    """A way to run a worker."""

    name: str
    processor: Price
    memory: Price
    share: float = 1

    @property
    def per_hour(self) -> float:
        """What a worker costs an hour, its address included, which is never cheaper."""
        compute = VCPUS * self.processor.dollars + MEMORY_GB * self.memory.dollars
        return compute * self.share + prices.ADDRESS.dollars


CAPACITIES = (
    Capacity("x86", prices.X86, prices.X86_MEMORY),
    Capacity("ARM", prices.ARM, prices.ARM_MEMORY),
    Capacity("x86, Spot", prices.X86, prices.X86_MEMORY, prices.SPOT.dollars),
    Capacity("ARM, Spot", prices.ARM, prices.ARM_MEMORY, prices.SPOT.dollars),
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a thousand files arrive, and so how many workers they start."""

    name: str
    tasks: int
    hours: int  # in which something happens

    @property
    def task_seconds(self) -> float:
        """How long all workers together are billed."""
        working = FILES / (FILES_PER_SECOND * VCPUS)
        return self.tasks * (START_SECONDS + IDLE_SECONDS + STOP_SECONDS) + working

    def workers(self, capacity: Capacity) -> float:
        """What the workers cost."""
        return self.task_seconds / 3600 * capacity.per_hour

    def requests(self) -> float:
        """What the dispatcher, the queue, the buckets and the logs cost."""
        invocations = FILES + self.tasks
        dispatcher = invocations * (
            prices.INVOCATION.dollars + DISPATCH_SECONDS * DISPATCHER_GB * prices.GB_SECOND.dollars
        )
        queue = (FILES * REQUESTS_A_FILE + self.tasks * REQUESTS_A_TASK) * prices.SQS.dollars
        objects = FILES * (2 * prices.PUT.dollars + prices.GET.dollars)
        written = FILES * LOG_BYTES_A_FILE + self.tasks * LOG_BYTES_A_TASK
        return dispatcher + queue + objects + written / 1e9 * prices.LOGS.dollars

    def metrics(self) -> float:
        """What the worker's metrics cost, where an account's free ones are taken."""
        return self.hours * METRICS * prices.METRIC.dollars


ARRIVALS = (
    Arrival("all at once", min(MAX_TASKS, math.ceil(FILES / MESSAGES_PER_TASK)), 1),
    Arrival("an hour between each two", FILES, FILES),
)


def sweeps() -> float:
    """What a month's sweeps cost, which is all that happens while idle."""
    duration = DISPATCH_SECONDS * DISPATCHER_GB * prices.GB_SECOND.dollars
    logged = LOG_BYTES_A_SWEEP / 1e9 * prices.LOGS.dollars
    return SWEEPS_A_MONTH * (prices.INVOCATION.dollars + duration + prices.SQS.dollars + logged)


def files_table() -> Iterator[str]:
    """The cost of a thousand files, in dollars."""
    names = " | ".join(f"workers, {capacity.name}" for capacity in CAPACITIES)
    yield f"| a thousand files | {names} | requests and logs | metrics |"
    yield "|---" * (len(CAPACITIES) + 3) + "|"
    for arrival in ARRIVALS:
        workers = " | ".join(f"{arrival.workers(capacity):.3f}" for capacity in CAPACITIES)
        yield f"| {arrival.name} | {workers} | {arrival.requests():.3f} | {arrival.metrics():.3f} |"


def prices_table() -> Iterator[str]:
    """The prices behind it."""
    yield "| price | $ | for a | read at | dated | |"
    yield "|---|---|---|---|---|---|"
    for price in prices.PRICES:
        doubt = "" if price.verified else "not verified"
        dollars = f"{price.dollars:.10f}".rstrip("0")
        asked = f"| {price.what} | {dollars} | {price.unit} |"
        yield f"{asked} {price.source} | {price.dated} | {doubt} |"


def main() -> int:
    """Print the tables as docs/costs.md has them."""
    print(*files_table(), "", *prices_table(), "", f"sweeps: {sweeps():.3f} a month", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
