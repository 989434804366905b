"""Plays one schedule: the real dispatcher on a simulated AWS."""

import contextlib
import random
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import Any

from dispatcher.handler import Dispatcher, Fleet, Settings
from tests.waking.checks import Checks
from tests.waking.cluster import ARN, CLUSTER, TASK_DEFINITION, Cluster, Task
from tests.waking.events import Events
from tests.waking.faults import Calls
from tests.waking.jobs import Queue
from tests.waking.plan import SWEEP_SECONDS, Plan, plan
from tests.waking.records import Records
from tests.waking.scheduler import START, Scheduler
from tests.waking.workers import WorkerFleet

QUIET_SECONDS = 2 * SWEEP_SECONDS
LONGEST_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a schedule."""

    seed: int
    plan: Plan
    broken: tuple[str, ...]
    faults: Counter[str]
    calls: Counter[str]
    waits: tuple[float, ...]  # from a file's upload until a worker polled
    invocations: int
    failures: Counter[str]
    longest_gap: float  # seconds without a worker after the last failure
    largest_fleet: int
    excess: int  # tasks above the maximum
    story: tuple[str, ...]


class Schedule:
    """The parts of one schedule."""

    def __init__(self, planned: Plan, *, to_the_end: bool) -> None:
        self.plan, self.scheduler = planned, Scheduler()
        self.to_the_end, self.quiet_since = to_the_end, START
        self.draw = random.Random(f"{planned.seed} plays")  # noqa: S311 - no secret
        self.records = Records(self.scheduler, planned)
        self.checks = Checks(self.scheduler, planned, self.records)
        self.calls = Calls(
            self.scheduler, self.draw, planned.fault_rate, planned.fault_kinds,
            START + planned.calm_at, self.records.failed, planned.refuses,
        )  # fmt: skip
        # Some parts are created later than the part that calls them: the lambdas look them up.
        self.queue = Queue(
            self.scheduler, planned, self.calls, self.records, self.draw,
            arrived=lambda: self.fleet.wake(),  # noqa: PLW0108 - see above
            counts_read=self.checks.on_counts_read,
        )  # fmt: skip
        self.cluster = Cluster(
            self.scheduler, planned, self.calls, self.records, self.draw,
            started=self._started,
            happened=lambda moment: self.events.happened(moment),  # noqa: PLW0108 - see above
            stopped=lambda task: self.events.stopped(task),  # noqa: PLW0108 - see above
        )  # fmt: skip
        self.events = Events(
            self.scheduler, planned, self.records, self.draw,
            handle=self._dispatcher().handle,
            ended=self.checks.on_end, failed=self.checks.on_failure,
        )  # fmt: skip
        self.fleet = WorkerFleet(
            self.scheduler, planned, self.cluster, self.queue, self.records, self.draw,
            self.events.happened,
        )  # fmt: skip
        self.records.queue = self.checks.queue = self.queue
        self.records.cluster = self.checks.cluster = self.cluster

    def play(self) -> Verdict:
        """Play until everything is done and has been quiet for a while."""
        self.events.begin()
        self._neighbour()
        with contextlib.redirect_stdout(_Log(self.scheduler)):
            self.scheduler.run(START + LONGEST_SECONDS, self._is_over)
        self.records.close()
        if self.to_the_end or not self.checks.broken:
            self.checks.at_end()
        return Verdict(
            seed=self.plan.seed,
            plan=self.plan,
            broken=tuple(self.checks.broken),
            faults=self.calls.injected,
            calls=self.calls.counted,
            waits=tuple(self.records.waits.values()),
            invocations=self.events.invocations,
            failures=self.records.failures,
            longest_gap=max((one.seconds_since_failure for one in self.records.gaps), default=0),
            largest_fleet=self.records.largest_fleet,
            excess=self.checks.excess,
            story=tuple(self.scheduler.story),
        )

    def _started(self, task: Task) -> None:
        self.checks.on_start(task)
        self.records.largest_fleet = max(self.records.largest_fleet, self.records.live)
        self.fleet.start_task(task)

    def _neighbour(self) -> None:
        """Run a task of another family for a while, which ends in an error."""
        other = self.cluster.add("FARGATE", f"{ARN}:task-definition/tide:1")
        seconds = self.draw.uniform(0, self.plan.calm_at)
        self.scheduler.after(
            seconds, partial(self.cluster.exited, other, 1, "EssentialContainerExited")
        )

    def _is_over(self) -> bool:
        if self.checks.broken and not self.to_the_end:
            return True
        if self.queue.messages or self.records.live or self.scheduler.running:
            self.quiet_since = self.scheduler.now
        quiet_from = max(self.quiet_since, START + self.plan.calm_at)
        return self.scheduler.now > quiet_from + QUIET_SECONDS

    def _dispatcher(self) -> Dispatcher:
        settings = Settings(
            queue_url="https://sqs.test/jobs",
            input_prefix="",
            output_bucket="out",
            output_key="predictions",
            suffixes=(".csv",),
            cluster=CLUSTER,
            task_definition=TASK_DEFINITION,
            subnets=("subnet-1", "subnet-2"),
            security_groups=("sg-1",),
            assign_public_ip="ENABLED",
            capacity=self.plan.capacity,
            max_tasks=self.plan.max_tasks,
            messages_per_task=self.plan.messages_per_task,
        )
        # Each has the methods of its client that the dispatcher calls.
        ecs: Any = self.cluster
        sqs: Any = self.queue
        return Dispatcher(settings, sqs, Fleet(settings, ecs, lambda: self.scheduler.now))


class _Log(StringIO):
    """Copies the dispatcher's logs into the story."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self._scheduler = scheduler

    def write(self, text: str) -> int:
        """Add a line."""
        who = self._scheduler.current
        if text.strip():
            self._scheduler.note(who.name if who else "", text)
        return len(text)


def play(seed: int, *, to_the_end: bool = False) -> Verdict:
    """Play a seed's schedule until a promise is broken, or `to_the_end`."""
    return Schedule(plan(seed), to_the_end=to_the_end).play()


def judge(seed: int) -> Verdict:
    """Play a seed's schedule, and leave the story out of the verdict."""
    return replace(play(seed), story=())
