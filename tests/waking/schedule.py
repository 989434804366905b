"""One schedule from its seed to its verdict: the real dispatcher on a simulated AWS."""

import contextlib
import random
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import Any

from dispatcher.handler import Dispatcher, Fleet, Settings
from tests.waking.books import Books
from tests.waking.checks import Checks
from tests.waking.cluster import ARN, CLUSTER, TASK_DEFINITION, Cluster, Task
from tests.waking.events import Events
from tests.waking.faults import Calls
from tests.waking.jobs import Queue
from tests.waking.plan import SWEEP_SECONDS, Plan, plan
from tests.waking.stage import START, Stage
from tests.waking.workers import Crew

QUIET_SECONDS = 2 * SWEEP_SECONDS
LONGEST_SECONDS = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a schedule came to."""

    seed: int
    plan: Plan
    broken: tuple[str, ...]
    faults: Counter[str]
    calls: Counter[str]
    waits: tuple[float, ...]  # from a file's landing until a worker was there for it
    invocations: int
    hindrances: Counter[str]
    longest_alone: float  # that messages had no worker, from the last thing that failed
    largest_fleet: int
    excess: int  # of tasks, above the most
    story: tuple[str, ...]


class Schedule:
    """The parts of one schedule, put together."""

    def __init__(self, planned: Plan, *, goes_on: bool) -> None:
        self.plan, self.stage = planned, Stage()
        self.goes_on, self.quiet_since = goes_on, START
        self.draw = random.Random(f"{planned.seed} plays")  # noqa: S311 - no secret
        self.books = Books(self.stage, planned)
        self.checks = Checks(self.stage, planned, self.books)
        self.calls = Calls(
            self.stage, self.draw, planned.fault_rate, planned.fault_kinds,
            START + planned.calm_at, self.books.hindered,
        )  # fmt: skip
        # Each knows the others, some of which are made after it: those are looked up when called.
        self.queue = Queue(
            self.stage, planned, self.calls, self.books, self.draw,
            arrived=lambda: self.crew.wake(),  # noqa: PLW0108 - see above
            looked=self.checks.on_look,
        )  # fmt: skip
        self.cluster = Cluster(
            self.stage, planned, self.calls, self.books, self.draw,
            started=self._started,
            happened=lambda moment: self.events.happened(moment),  # noqa: PLW0108 - see above
            stopped=lambda task: self.events.stopped(task),  # noqa: PLW0108 - see above
        )  # fmt: skip
        self.events = Events(
            self.stage, planned, self.books, self.draw,
            handle=self._dispatcher().handle, ended=self.checks.on_end,
        )  # fmt: skip
        self.crew = Crew(
            self.stage, planned, self.cluster, self.queue, self.books, self.draw,
            self.events.happened,
        )  # fmt: skip
        self.books.queue = self.checks.queue = self.queue
        self.books.cluster = self.checks.cluster = self.cluster

    def play(self) -> Verdict:
        """Let it all happen, until everything is done and has been quiet for long."""
        self.events.begin()
        self._neighbour()
        with contextlib.redirect_stdout(_Log(self.stage)):
            self.stage.run(START + LONGEST_SECONDS, self._is_over)
        self.books.close()
        if self.goes_on or not self.checks.broken:
            self.checks.at_end()
        return Verdict(
            seed=self.plan.seed,
            plan=self.plan,
            broken=tuple(self.checks.broken),
            faults=self.calls.injected,
            calls=self.calls.counted,
            waits=tuple(self.books.waits.values()),
            invocations=self.events.invocations,
            hindrances=self.books.hindrances,
            longest_alone=max((one.unhindered_seconds for one in self.books.stretches), default=0),
            largest_fleet=self.books.largest_fleet,
            excess=self.checks.excess,
            story=tuple(self.stage.story),
        )

    def _started(self, task: Task) -> None:
        self.checks.on_start(task)
        self.books.largest_fleet = max(self.books.largest_fleet, self.books.live)
        self.crew.launch(task)

    def _neighbour(self) -> None:
        """Have a task of another family run beside ours for a while, and end badly."""
        other = self.cluster.add("FARGATE", f"{ARN}:task-definition/tide:1")
        seconds = self.draw.uniform(0, self.plan.calm_at)
        self.stage.after(
            seconds, partial(self.cluster.exited, other, 1, "EssentialContainerExited")
        )

    def _is_over(self) -> bool:
        if self.checks.broken and not self.goes_on:
            return True
        if self.queue.messages or self.books.live or self.stage.running:
            self.quiet_since = self.stage.now
        quiet_from = max(self.quiet_since, START + self.plan.calm_at)
        return self.stage.now > quiet_from + QUIET_SECONDS

    def _dispatcher(self) -> Dispatcher:
        settings = Settings(
            queue_url="https://sqs.test/jobs",
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
        return Dispatcher(settings, sqs, Fleet(settings, ecs, lambda: self.stage.now))


class _Log(StringIO):
    """Takes what the dispatcher logs into the story."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def write(self, text: str) -> int:
        """Tell a line."""
        who = self._stage.current
        if text.strip():
            self._stage.tell(who.name if who else "", text)
        return len(text)


def play(seed: int, *, goes_on: bool = False) -> Verdict:
    """Play a seed's schedule, until a promise is broken or, if it goes on, to its end."""
    return Schedule(plan(seed), goes_on=goes_on).play()


def judge(seed: int) -> Verdict:
    """Play a seed's schedule, and leave its story out of the verdict."""
    return replace(play(seed), story=())
