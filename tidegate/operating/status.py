"""What a stack does now: the truths of SQS, ECS, S3 and CloudWatch, joined."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, Self

from tidegate.aws.account import Account
from tidegate.aws.asking import Answer, Asking, asking
from tidegate.aws.stack import DeployedStack
from tidegate.failures import dead_letters
from tidegate.failures.dead_letters import Letter
from tidegate.failures.reports import StackKeys
from tidegate.operating import queues, run_records, tasks, usage
from tidegate.operating.queues import Messages
from tidegate.operating.run_records import Seen
from tidegate.operating.tasks import Fleet, Task
from tidegate.operating.usage import Cost, Done, Metrics, Streams

STALLED_SECONDS = 900  # twice the sweep's period, and a start
BUSY_SECONDS = 2 * usage.PERIOD_SECONDS  # the latest whole period began no earlier
QUEUES = {
    "QueueUrl": "the queue",
    "DeadLetterQueueUrl": "the dead letters",
    "UndispatchedQueueUrl": "the events that were not dispatched",
}
SERVICES = ("sqs", "ecs", "s3", "cloudwatch", "logs")

State = Literal["paused", "idle", "starting", "working", "stalled", "waiting", "failing", "unknown"]


@dataclass(frozen=True, slots=True)
class Status:
    """One look at a stack; None is what could not be asked, and `unanswered` says why."""

    stack: DeployedStack
    now: datetime
    jobs: Messages | None
    dead: Messages | None
    undispatched: Messages | None
    paused_since: str | None  # an empty text: not paused
    fleet: Fleet | None
    seen: Seen | None  # of failure reports and runs
    letters: Sequence[Letter] | None  # some of the dead letters
    metrics: Metrics | None
    done: Done | None
    cost: Cost | None
    unanswered: Sequence[str]
    ended_runs: Sequence[Mapping[str, Any]] = ()  # the summaries of those that have just ended

    def with_ended(self, summaries: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> Self:
        """Return the status with these runs closed, and what could not be asked of them."""
        if self.seen is None:
            return self
        names = {one["run"] for one in summaries}
        still_open = [run for run in self.seen.open_runs if run.name not in names]
        return replace(
            self,
            seen=replace(self.seen, open_runs=still_open),
            ended_runs=summaries,
            unanswered=[*self.unanswered, *missing],
        )

    @property
    def oldest_seconds(self) -> int | None:
        """Return the age of the oldest message; None if it is not known, or there is none."""
        if self.metrics is None or (self.jobs is not None and not self.jobs.all):
            return None
        return self.metrics.oldest_seconds

    @property
    def seconds_left(self) -> float | None:
        """Return when the queue will be empty at the rate of the last minutes.

        The rate counts only if files have waited all that time: else the workers could do more.
        """
        if self.metrics is None or self.jobs is None or self.state != "working":
            return None
        if (self.oldest_seconds or 0) < BUSY_SECONDS:
            return None
        rate = self.metrics.files_a_second
        return self.jobs.all / rate if rate else None

    @property
    def state(self) -> State:
        """Return what the stack does: a worker that has died runs nothing."""
        if self.paused_since:
            return "paused"
        if self.fleet is None or self.jobs is None:
            return "unknown"
        if self.fleet.running:
            return "stalled" if self._takes_nothing() else "working"
        if self.fleet.starting:
            return "starting"
        return self._without_workers(self.jobs, self.fleet.last_stopped)

    def _without_workers(self, jobs: Messages, last: Task | None) -> State:
        if not jobs.all:
            return "idle"
        if last is not None and not last.ended_well:
            return "failing"
        return "stalled" if (self.oldest_seconds or 0) > STALLED_SECONDS else "waiting"

    def _takes_nothing(self) -> bool:
        """Return whether messages have waited long and the running workers hold none."""
        assert self.jobs is not None
        waits_long = (self.oldest_seconds or 0) > STALLED_SECONDS
        return bool(self.jobs.waiting) and not self.jobs.in_flight and waits_long


def look(account: Account, stack: DeployedStack) -> Status:
    """Ask everything at once: fourteen calls at most, with that for the stack.

    One more where over a thousand failure reports leave no room for the runs, and some more for a
    long log.
    """
    now = datetime.now(UTC)
    with asking() as ask:
        asked = _Asked.of(ask, {name: account.client(name) for name in SERVICES}, stack, now)
        fleet, streams = asked.fleet(), asked.streams.get()
        messages = {name: answer.get() for name, answer in asked.messages.items()}
        cost = None
        if fleet is not None and streams is not None:
            cost = usage.cost_today(fleet, streams, stack.parameters, now)
        return Status(
            stack=stack,
            now=now,
            jobs=messages.get("QueueUrl"),
            dead=messages.get("DeadLetterQueueUrl"),
            undispatched=messages.get("UndispatchedQueueUrl"),
            paused_since=asked.paused.get(),
            fleet=fleet,
            seen=asked.seen.get(),
            letters=asked.letters.get(),
            metrics=asked.metrics.get(),
            done=asked.done.get(),
            cost=cost,
            unanswered=ask.unanswered,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The questions that are under way."""

    messages: Mapping[str, Answer[Messages]]
    paused: Answer[str]
    letters: Answer[list[Letter]]
    seen: Answer[Seen]
    metrics: Answer[Metrics]
    done: Answer[Done]
    streams: Answer[Streams]
    fleet: Callable[[], Fleet | None]

    @classmethod
    def of(
        cls, ask: Asking, clients: Mapping[str, Any], stack: DeployedStack, now: datetime
    ) -> Self:
        """Begin all calls."""
        out, layout, sqs = stack.outputs, StackKeys.of(stack), clients["sqs"]
        queue = out["QueueUrl"].rpartition("/")[2]
        return cls(
            fleet=_ask_fleet(ask, clients["ecs"], out),
            messages={
                name: ask.ask(what, partial(queues.count, sqs, out[name]))
                for name, what in QUEUES.items()
            },
            paused=ask.ask(
                "whether it is paused", partial(queues.paused_since, sqs, out["QueueUrl"])
            ),
            letters=ask.ask(
                "the reasons of dead letters",
                partial(dead_letters.glance, sqs, out["DeadLetterQueueUrl"]),
            ),
            seen=ask.ask(
                "failure reports and runs", partial(run_records.look, clients["s3"], layout, now)
            ),
            metrics=ask.ask(
                "how long files wait",
                partial(usage.read_metrics, clients["cloudwatch"], queue, now),
            ),
            done=ask.ask(
                "files and rows",
                partial(usage.read_done, clients["logs"], out["WorkerLogGroup"], now),
            ),
            streams=ask.ask(
                "the workers of earlier today",
                partial(
                    usage.read_streams,
                    clients["logs"],
                    out["WorkerLogGroup"],
                    usage.midnight(now),
                ),
            ),
        )


def _ask_fleet(
    ask: Asking,
    ecs: Any,  # noqa: ANN401 - its stubs are in the environment of development only
    out: Mapping[str, str],
) -> Callable[[], Fleet | None]:
    """Begin the two lists of tasks; the function returned describes them."""
    cluster, family = out["Cluster"], tasks.family_of(out["TaskDefinition"])
    listed = [
        ask.ask("the workers", partial(tasks.listed, ecs, cluster, family, status))
        for status in (tasks.LIVE, tasks.STOPPED)
    ]

    def fleet() -> Fleet | None:
        live, stopped = (answer.get() for answer in listed)
        if live is None:
            return None
        describe = partial(tasks.describe, ecs, cluster, live, stopped or [])
        return ask.ask("the workers", describe).get()

    return fleet


def settings_of(stack: DeployedStack) -> str:
    """Return the workers' settings as one text."""
    return re.sub(r"\s+", " ", stack.parameters.get("WorkerSettings", "")).strip()


def image_of(stack: DeployedStack) -> str:
    """Return the image that workers run."""
    if own := stack.parameters.get("Image"):
        return own
    repository = stack.outputs.get("RepositoryUri", "")
    return f"{repository.rpartition('/')[2]}:{stack.parameters.get('ImageTag', '')}"
