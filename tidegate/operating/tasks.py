"""The workers as ECS knows them: which of them live, and how the last one ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self

from dispatcher.handler import WORKER_CONTAINER, ended_normally

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_ecs import ECSClient

LISTED = 100  # the most that one call lists
DESCRIBED = 100  # the most that one call describes
MOST_LIVE = 50  # of these, so that there is room for the stopped ones
DesiredStatus = Literal["RUNNING", "STOPPED"]
LIVE: DesiredStatus = "RUNNING"
STOPPED: DesiredStatus = "STOPPED"  # ECS remembers these for about an hour
STARTING = frozenset({"PROVISIONING", "PENDING", "ACTIVATING"})


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the workers' family."""

    id: str
    status: str
    began: datetime | None  # the start of the image pull, from which AWS bills
    ended: datetime | None
    spot: bool
    ended_well: bool
    exit_code: int | None
    reason: str

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> Self:
        """Read a task of DescribeTasks' answer."""
        container: Mapping[str, Any] = next(
            (one for one in task.get("containers", []) if one.get("name") == WORKER_CONTAINER), {}
        )
        return cls(
            id=task["taskArn"].rpartition("/")[2],
            status=task.get("lastStatus", ""),
            began=task.get("pullStartedAt") or task.get("startedAt") or task.get("createdAt"),
            ended=task.get("executionStoppedAt") or task.get("stoppedAt"),
            spot=task.get("capacityProviderName") == "FARGATE_SPOT",
            ended_well=ended_normally(task),
            exit_code=container.get("exitCode"),
            reason=container.get("reason") or task.get("stoppedReason", ""),
        )


@dataclass(frozen=True, slots=True)
class Fleet:
    """The tasks that ECS wants to run, and those that it remembers: for about an hour."""

    live: Sequence[Task]
    stopped: Sequence[Task]
    live_count: int  # the described ones are fewer in a large fleet
    more: bool  # there are more live tasks than were counted

    @property
    def starting(self) -> int:
        """Return how many live tasks do not run yet."""
        return sum(task.status in STARTING for task in self.live)

    @property
    def running(self) -> int:
        """Return how many run. A task that stops, or has died, is none of them."""
        described = sum(task.status == "RUNNING" for task in self.live)
        return described + self.live_count - len(self.live)

    @property
    def last_stopped(self) -> Task | None:
        """Return the task that stopped last."""
        ended = [(task.ended, task.id, task) for task in self.stopped if task.ended is not None]
        return max(ended)[-1] if ended else None


def listed(ecs: "ECSClient", cluster: str, family: str, status: DesiredStatus) -> list[str]:
    """List up to a hundred tasks by the status that ECS wants them to have."""
    answer = ecs.list_tasks(cluster=cluster, family=family, desiredStatus=status)
    return list(answer["taskArns"])


def describe(ecs: "ECSClient", cluster: str, live: Sequence[str], stopped: Sequence[str]) -> Fleet:
    """Describe the tasks by one call."""
    asked = [*live[:MOST_LIVE], *stopped][:DESCRIBED]
    found = ecs.describe_tasks(cluster=cluster, tasks=asked)["tasks"] if asked else []
    tasks = {task["taskArn"]: Task.of(task) for task in found}
    # A task may have stopped since it was listed, and ECS may have forgotten it.
    described = [tasks[arn] for arn in live[:MOST_LIVE] if arn in tasks]
    still_live = [task for task in described if task.status not in {"STOPPED", "DELETED"}]
    return Fleet(
        live=still_live,
        stopped=[task for task in tasks.values() if task not in still_live],
        live_count=len(still_live) + max(0, len(live) - MOST_LIVE),
        more=len(live) >= LISTED,
    )


def family_of(task_definition: str) -> str:
    """Return the family in a task definition's ARN."""
    return task_definition.rpartition("/")[2].partition(":")[0]


def stop_all(ecs: "ECSClient", cluster: str, family: str) -> int:
    """Stop every live task, each of which gives its messages back; return how many these were."""
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, family=family, desiredStatus=LIVE
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    for arn in arns:
        ecs.stop_task(cluster=cluster, task=arn, reason="tidegate pause --now")
    return len(arns)
