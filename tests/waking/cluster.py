"""A simulated ECS, as documented: reads that lag, client tokens, tasks until STOPPED."""

# ruff: noqa: N803 - the arguments are boto3's
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.waking.faults import Calls, Kind, client_error
from tests.waking.plan import NOTICE_SECONDS, TEARDOWN_SECONDS, Moment, Plan
from tests.waking.records import Records
from tests.waking.scheduler import START, Scheduler

ARN = "arn:aws:ecs:eu-west-1:123456789012"
CLUSTER = f"{ARN}:cluster/tide"
TASK_DEFINITION = f"{ARN}:task-definition/tide-worker:7"
RECLAIMED = ("SpotInterruption", "TerminationNotice")
KEPT_SECONDS = 3600.0  # how long a stopped task is listed
NO_CAPACITY = (
    "Capacity is unavailable at this time. "
    "Please try again later or in a different availability zone"
)
TASK_LIMIT = "You've reached the limit on the number of tasks you can run concurrently"


@dataclass(frozen=True, slots=True)
class End:
    """How and when a task ended, and since when ECS reports that."""

    at: float
    reported_at: float
    is_good: bool


@dataclass
class Task:
    """A task, and its description in ECS at each time."""

    name: str
    capacity: str
    history: list[tuple[float, dict[str, Any]]]

    @property
    def now(self) -> dict[str, Any]:
        """The current description."""
        return self.history[-1][1]

    @property
    def is_live(self) -> bool:
        """Whether its desired status is RUNNING."""
        return bool(self.now["desiredStatus"] == "RUNNING")

    @property
    def is_ours(self) -> bool:
        """Whether it is of the worker's family."""
        return bool(self.now["taskDefinitionArn"] == TASK_DEFINITION)

    @property
    def end(self) -> End | None:
        """How it ended; None while ECS does not report an end."""
        for reported_at, description in self.history:
            moment = description.get("executionStoppedAt") or description.get("stoppedAt")
            if moment:
                is_good = (
                    description["stopCode"] in RECLAIMED
                    or description["containers"][0].get("exitCode") == 0
                )
                return End(moment.timestamp(), reported_at, is_good)
        return None

    def was_live_after(self, when: float) -> bool:
        """Return whether its desired status was RUNNING at some time since."""
        return all(
            since > when
            for since, description in self.history
            if description["desiredStatus"] != "RUNNING"
        )

    def description_at(self, when: float) -> dict[str, Any] | None:
        """Return its description at a time; None before its creation."""
        known = [description for since, description in self.history if since <= when]
        return known[-1] if known else None


@dataclass
class Cluster:
    """The cluster, which is also the dispatcher's client of ECS."""

    scheduler: Scheduler
    plan: Plan
    calls: Calls
    records: Records
    draw: random.Random
    started: Callable[[Task], None]
    happened: Callable[[Moment], None]
    stopped: Callable[[Task], None]
    tasks: dict[str, Task] = field(default_factory=dict)
    tokens: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)

    @property
    def ours(self) -> list[Task]:
        """The tasks of the worker's family."""
        return [task for task in self.tasks.values() if task.is_ours]

    def add(self, capacity: str, definition: str = TASK_DEFINITION) -> Task:
        """Create a task, of any family."""
        name = f"{ARN}:task/tide/{len(self.tasks)}"
        description = {
            "taskArn": name,
            "clusterArn": CLUSTER,
            "taskDefinitionArn": definition,
            "createdAt": self._moment(),
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
            "containers": [{"name": "worker", "lastStatus": "PENDING"}],
        }
        self.tasks[name] = Task(name, capacity, [(self.scheduler.now, description)])
        return self.tasks[name]

    def change(self, task: Task, **changes: object) -> None:
        """Change a task's description; reads show it after their lag."""
        task.history.append((self.scheduler.now, task.now | changes))
        self.records.observe()

    def exited(self, task: Task, code: int | None, stop_code: str) -> None:
        """Record the end of a container, and stop its task."""
        over: dict[str, object] = {
            "stopCode": stop_code,
            "containers": [{"name": "worker"} | ({} if code is None else {"exitCode": code})],
        }
        if code is not None:
            over["executionStoppedAt"] = self._moment()
        self.scheduler.after(
            self.draw.uniform(*NOTICE_SECONDS), lambda: self._tear_down(task, over)
        )

    def _tear_down(self, task: Task, over: dict[str, object]) -> None:
        self.change(task, desiredStatus="STOPPED", lastStatus="DEPROVISIONING", **over)
        self.happened("stopping")
        self.scheduler.after(self.draw.uniform(*TEARDOWN_SECONDS), lambda: self._stop(task))

    def _stop(self, task: Task) -> None:
        self.change(task, lastStatus="STOPPED", stoppedAt=self._moment())
        self.scheduler.note(
            task.name[-8:], f"STOPPED {task.now['stopCode']} {task.now['containers']}"
        )
        self.happened("stopped")
        self.stopped(task)

    # The operations that the dispatcher calls.

    def run_task(self, *, clientToken: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3 takes it
        """Start a task; a known token returns its first answer."""
        invocation = self.scheduler.current
        assert invocation is not None
        if "RunTask" not in invocation.calls:
            invocation.filled_at = self.scheduler.now
        return self.calls.make("RunTask", lambda kind: self._run(clientToken, request, kind))

    def _run(self, token: str, request: dict[str, Any], kind: Kind | None) -> dict[str, Any]:
        if token in self.tokens:
            original, answer = self.tokens[token]
            if request != original:
                raise client_error("RunTask", "ConflictException")
            return answer
        capacity = "FARGATE"
        if "capacityProviderStrategy" in request:
            capacity = request["capacityProviderStrategy"][0]["capacityProvider"]
        if why := self._declined(capacity, kind):
            self.records.failed(f"RunTask: {why}")
            if self.draw.random() < 0.5:
                raise client_error("RunTask", "ClientException", why)
            answer = {"tasks": [], "failures": [{"reason": why}]}
            if self.plan.failures_stick:
                self.tokens[token] = (request, answer)
            return answer
        task = self.add(capacity, request["taskDefinition"])
        answer = {"tasks": [task.now], "failures": []}
        self.tokens[token] = (request, answer)
        self.started(task)
        return answer

    def _declined(self, capacity: str, kind: Kind | None) -> str | None:
        at = self.scheduler.now - START
        for shortage in self.plan.shortages:
            if shortage.contains(at) and shortage.what in (capacity, "both"):
                return NO_CAPACITY
        live = self.records.live
        limit = self.plan.task_limit
        if limit is not None and at < self.plan.calm_at and live >= limit:
            return TASK_LIMIT
        return NO_CAPACITY if kind == "declined" else None

    def get_paginator(self, operation: str) -> "Cluster":
        """Return the paginator of the list of tasks."""
        assert operation == "list_tasks"
        return self

    def paginate(self, *, desiredStatus: str, **only: str) -> Iterator[dict[str, Any]]:
        """List tasks, each as it was within the lag."""
        family, first = only.get("family"), 0
        while True:
            found = self.calls.make("ListTasks", lambda _: self._listed(desiredStatus, family))
            yield {"taskArns": found[first : first + 100]}
            first += 100
            if first >= len(found):
                return

    def _listed(self, desired: str, family: str | None) -> list[str]:
        assert self.scheduler.current is not None
        if desired == "RUNNING":
            self.scheduler.current.listed_at = self.scheduler.now
        gone = self.scheduler.now - KEPT_SECONDS
        found = []
        for task in self.tasks.values():
            description = self._read(task)
            if description is None or description["desiredStatus"] != desired:
                continue
            if family is not None and f"/{family}:" not in description["taskDefinitionArn"]:
                continue
            if (
                description["lastStatus"] != "STOPPED"
                or description["stoppedAt"].timestamp() > gone
            ):
                found.append(task.name)
        return found

    def describe_tasks(self, *, tasks: list[str], **_: str) -> dict[str, Any]:
        """Describe tasks, each as it was within the lag."""
        return self.calls.make(
            "DescribeTasks",
            lambda _: {
                "tasks": [
                    description for name in tasks if (description := self._read(self.tasks[name]))
                ]
            },
        )

    def _read(self, task: Task) -> dict[str, Any] | None:
        return task.description_at(self.scheduler.now - self.draw.uniform(0, self.plan.listing_lag))

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.scheduler.now, UTC)
