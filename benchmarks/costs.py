"""python -m benchmarks.costs: what a thousand small files cost, and what an idle stack costs.

The parameters are the template's defaults. Every figure that is neither a parameter nor a price is
an assumption; each has a name below.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.aws import prices
from worker.queue.idle import automatic_seconds

FILES = 1000
MAX_TASKS, MESSAGES_PER_TASK = 4, 100  # the template's defaults, and IdleSeconds is auto
VCPUS, MEMORY_GB = 1, 4  # the template's defaults too
FILES_PER_SECOND = 100  # by one vCPU; 190 files of iris's size were measured on one core
START_SECONDS = 30  # from the start of the image pull to the first receive
# From the end of the idle time to the end of the task. The last poll may outlast the idle time by a
# second. The worker's exit takes 0.4 s (measured); the rest is left to ECS.
STOP_SECONDS = 5
MIN_SECONDS = 60  # for which Fargate bills a task at least
DISPATCH_SECONDS, DISPATCHER_GB = 0.3, 0.25
SWEEPS_A_MONTH = 30 * 24 * 12
NUMBERS_BYTES = 600  # of the line that a worker writes a minute, and of its last line
LOG_WIDGETS = 10  # of the dashboard, each a query of the workers' log
LOOK_HOURS = 12  # of the log, that the dashboard shows
DAY_SECONDS = 24 * 3600
DIGESTS_A_MONTH, LOOK_SECONDS, NOTIFIER_GB = 30 * 24 * 4, 0.3, 0.5
# Measured: 0.065 s of CPU for a listing of a thousand keys. S3's own time is assumed.
NIGHTS_A_MONTH, LISTING_SECONDS, RECONCILER_GB = 30, 0.15, 1769 / 1024
MILLION, KEYS_A_LISTING = 1_000_000, 1_000
# SQS requests for an event that is counted: a send, a tenth of a receive and of a delete.
REQUESTS_AN_EVENT = 1.2
LOG_BYTES_A_FILE, LOG_BYTES_A_TASK, LOG_BYTES_A_SWEEP = 2_000, 2_000, 700
# SQS requests: for a file a send, a count, a receive and a tenth of a delete; for a task the polls,
# and a look for the tag that pauses the stack.
REQUESTS_A_FILE, REQUESTS_A_TASK = 3.1, 8


@dataclass(frozen=True, slots=True)
class Capacity:
    """A kind of Fargate capacity."""

    name: str
    arm: bool
    spot: bool = False

    @property
    def per_hour(self) -> float:
        """Dollars for a worker an hour, with its address."""
        return prices.worker_hour(VCPUS, MEMORY_GB, arm=self.arm, spot=self.spot)


CAPACITIES = (
    Capacity("x86", arm=False),
    Capacity("ARM", arm=True),
    Capacity("x86, Spot", arm=False, spot=True),
    Capacity("ARM, Spot", arm=True, spot=True),
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a thousand files arrive, and so how many workers they start."""

    name: str
    tasks: int
    hours: int  # in which a worker runs

    @property
    def task_seconds(self) -> float:
        """The seconds for which all workers together are billed."""
        files = FILES / self.tasks  # for each worker
        working = files / (FILES_PER_SECOND * VCPUS)
        idle = automatic_seconds(math.ceil(files))
        return self.tasks * max(MIN_SECONDS, START_SECONDS + working + idle + STOP_SECONDS)

    def workers(self, capacity: Capacity) -> float:
        """Dollars for the workers."""
        return self.task_seconds / 3600 * capacity.per_hour

    def requests(self) -> float:
        """Dollars for the dispatcher, the queue, the buckets and the logs."""
        invocations = FILES + self.tasks
        dispatcher = invocations * (
            prices.INVOCATION.dollars + DISPATCH_SECONDS * DISPATCHER_GB * prices.GB_SECOND.dollars
        )
        queue = (FILES * REQUESTS_A_FILE + self.tasks * REQUESTS_A_TASK) * prices.SQS.dollars
        objects = FILES * (2 * prices.PUT.dollars + prices.GET.dollars)
        log_bytes = FILES * LOG_BYTES_A_FILE + self.tasks * LOG_BYTES_A_TASK
        return dispatcher + queue + objects + log_bytes / 1e9 * prices.LOGS.dollars

    def numbers(self) -> float:
        """Dollars for the lines of numbers, and for the last line of each worker."""
        return numbers(self.tasks, self.task_seconds)


def numbers(tasks: int, task_seconds: float) -> float:
    """Return dollars for the workers' numbers: log lines, and no metric while all is well."""
    lines = task_seconds / 60 + 2 * tasks  # one a minute, that of the last minute, and the last one
    return lines * NUMBERS_BYTES / 1e9 * prices.LOGS.dollars


def metrics(count: int, hours: int) -> float:
    """Return dollars for so many custom metrics if the account's free ones are used up."""
    return count * hours * prices.METRIC.dollars


def look(files: float) -> float:
    """Return dollars for one look at the dashboard: each widget's query reads all of the log."""
    scanned = files * LOG_BYTES_A_FILE + LOOK_HOURS * 60 * NUMBERS_BYTES
    return LOG_WIDGETS * scanned / 1e9 * prices.INSIGHTS.dollars


ARRIVALS = (
    Arrival("all at once", min(MAX_TASKS, math.ceil(FILES / MESSAGES_PER_TASK)), 1),
    Arrival("one an hour", FILES, FILES),
)


def sweeps() -> float:
    """Dollars for a month's sweeps, which is all that an idle stack does."""
    duration = DISPATCH_SECONDS * DISPATCHER_GB * prices.GB_SECOND.dollars
    logged = LOG_BYTES_A_SWEEP / 1e9 * prices.LOGS.dollars
    return SWEEPS_A_MONTH * (prices.INVOCATION.dollars + duration + prices.SQS.dollars + logged)


def notices_idle() -> float:
    """Dollars for a month's looks of the notifier if nothing happens."""
    duration = LOOK_SECONDS * NOTIFIER_GB * prices.GB_SECOND.dollars
    logged = LOG_BYTES_A_SWEEP / 1e9 * prices.LOGS.dollars
    look = prices.INVOCATION.dollars + duration + prices.SQS.dollars + logged
    return DIGESTS_A_MONTH * look


def events_table() -> Iterator[str]:
    """Yield the table of what events and notices cost."""
    events = MILLION * (prices.EVENT.dollars + REQUESTS_AN_EVENT * prices.SQS.dollars)
    listings = 2 * MILLION // KEYS_A_LISTING  # of outputs and of reports
    yield "| what | $ |"
    yield "|---|---|"
    yield f"| an idle month: a look every 15 minutes | {notices_idle():.3f} |"
    counted = "their events, and the queue in which the digest counts them"
    yield f"| a million files: {counted} | {events:.2f} |"
    end = f"a look at a run of a million files, at its end: {listings:,} listings"
    yield f"| {end} | {listings * prices.PUT.dollars:.2f} |"


def reconcile_night(old: int, recent: int) -> float:
    """Dollars for a night that looks at so many files and finds none without a result."""
    listings = (old + 3 * recent) / KEYS_A_LISTING  # outputs and reports are listed for recent ones
    duration = listings * LISTING_SECONDS * RECONCILER_GB * prices.GB_SECOND.dollars
    return prices.INVOCATION.dollars + listings * prices.PUT.dollars + duration


def reconcile_table() -> Iterator[str]:
    """Yield the table of what a month of nightly reconciles costs."""
    yield "| files below the input prefix | $ a month |"
    yield "|---|---|"
    for what, old, recent in (
        ("a thousand, all from the last `ReconcileDays`", 0, 1_000),
        ("a million, all from the last `ReconcileDays`", 0, MILLION),
        ("a million, all older", MILLION, 0),
        ("ten million, all older", 10 * MILLION, 0),
    ):
        yield f"| {what} | {NIGHTS_A_MONTH * reconcile_night(old, recent):.3f} |"


def files_table() -> Iterator[str]:
    """Yield the table of what a thousand files cost, in dollars."""
    names = " | ".join(f"workers, {capacity.name}" for capacity in CAPACITIES)
    yield f"| a thousand files | {names} | requests and logs | numbers |"
    yield "|---" * (len(CAPACITIES) + 3) + "|"
    for arrival in ARRIVALS:
        workers = " | ".join(f"{arrival.workers(capacity):.3f}" for capacity in CAPACITIES)
        yield f"| {arrival.name} | {workers} | {arrival.requests():.3f} | {arrival.numbers():.3f} |"


def numbers_table() -> Iterator[str]:
    """Yield the table of what a stack's numbers cost beside its workers."""
    x86, lone = CAPACITIES[0], ARRIVALS[1]
    yield "| | workers, x86 | numbers | one custom metric instead | a look at the dashboard |"
    yield "|---|---|---|---|---|"
    rows = (
        ("a thousand files, one an hour", lone.task_seconds, lone.tasks, lone.hours, LOOK_HOURS),
        ("a day, a file a second", DAY_SECONDS, 1, 24, LOOK_HOURS * 3600),
        ("a day, 100 files a second", DAY_SECONDS, 1, 24, LOOK_HOURS * 3600 * FILES_PER_SECOND),
    )
    for name, seconds, tasks, hours, files in rows:
        dollars = (
            seconds / 3600 * x86.per_hour,
            numbers(tasks, seconds),
            metrics(1, hours),
            look(files),
        )
        yield f"| {name} | {' | '.join(f'{one:.4f}' for one in dollars)} |"


def prices_table() -> Iterator[str]:
    """Yield the table of the prices."""
    yield "| price | $ | per | source | date | |"
    yield "|---|---|---|---|---|---|"
    for price in prices.PRICES:
        note = "" if price.verified else "not verified"
        dollars = f"{price.dollars:.10f}".rstrip("0")
        start = f"| {price.what} | {dollars} | {price.unit} |"
        yield f"{start} {price.source} | {price.dated} | {note} |"


def main() -> int:
    """Print the tables of docs/costs.md."""
    tables = (
        *(files_table(), numbers_table(), events_table()),
        *(reconcile_table(), prices_table()),
    )
    for table in tables:
        print(*table, "", sep="\n")
    print(f"sweeps: {sweeps():.3f} a month")
    return 0


if __name__ == "__main__":
    sys.exit(main())
