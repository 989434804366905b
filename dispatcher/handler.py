"""The dispatcher: turn S3 events into messages, then start the workers that the queue wants.

One self-contained file, so that Lambda needs nothing but its own boto3. It reads in the order in
which things happen: parse the event, send the messages, look at the fleet.
"""

import functools
import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import unquote_plus

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import RunTaskResponseTypeDef, TaskTypeDef
    from mypy_boto3_sqs import SQSClient

PREFIX = "DISPATCHER_"
WORKER_CONTAINER = "worker"
MESSAGES_PER_BATCH = 10
TASKS_PER_DESCRIPTION = 100
SEND_ATTEMPTS = 3
GENERATIONS = 3
CLOCK_SKEW_SECONDS = 1
SERVER_ERROR = 500
LONGEST_LOGGED = 1000
RECLAIMED = frozenset({"SpotInterruption", "TerminationNotice"})
# ECS says "later" in many ways, and not always in the error's code.
LATER = (
    "throttl",
    "rate exceeded",
    "requestlimitexceeded",
    "toomanyrequests",
    "reached the limit",
)
NO_CAPACITY = "capacity is unavailable"
# Where a task is asked for, in turn: ECS itself never replaces Spot by on-demand capacity.
CAPACITIES = {"FARGATE": ("FARGATE",), "FARGATE_SPOT": ("FARGATE_SPOT", "FARGATE")}


def handler(event: Mapping[str, Any], _context: object) -> None:
    """Lambda's entry point."""
    _dispatcher().handle(event)


@functools.cache
def _dispatcher() -> "Dispatcher":
    # Few attempts and short timeouts: all of them together stay inside the function's own timeout.
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=3, read_timeout=10
    )
    settings = Settings.from_environment(os.environ)
    return Dispatcher(
        settings=settings,
        sqs=boto3.client("sqs", config=config),
        fleet=Fleet(settings, boto3.client("ecs", config=config)),
    )


def log(decision: str, **facts: object) -> None:
    """Print a decision and what it rests on as one line of JSON."""
    print(json.dumps({"decision": decision, **facts}))  # noqa: T201 - Lambda's log is its stdout


class SettingsError(Exception):
    """A variable is missing or wrong."""


class NotSent(Exception):
    """The queue did not take every message, so the event has to come again."""


class NoCapacity(Exception):
    """AWS has no place for a task now."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says, one attribute for each DISPATCHER_ variable."""

    queue_url: str
    output_bucket: str
    output_key: str
    suffixes: tuple[str, ...]
    cluster: str
    task_definition: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    assign_public_ip: Literal["ENABLED", "DISABLED"]
    capacity: Literal["FARGATE", "FARGATE_SPOT"]
    max_tasks: int
    messages_per_task: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every variable; raises SettingsError naming those that are missing or wrong."""
        names = {field: PREFIX + field.upper() for field in cls.__slots__}
        missing = [name for name in names.values() if name not in environment]
        if missing:
            raise SettingsError(f"not set: {', '.join(missing)}")
        text: dict[str, Any] = {field: environment[name] for field, name in names.items()}
        text["output_key"] = text["output_key"].rstrip("/")
        text["suffixes"] = text["suffixes"].lower()
        for field in ("suffixes", "subnets", "security_groups"):
            text[field] = tuple(part.strip() for part in text[field].split(",") if part.strip())
        for field in ("max_tasks", "messages_per_task"):
            if not text[field].isdecimal() or int(text[field]) < 1:
                raise SettingsError(f"{names[field]} is not 1 or more: {text[field]!r}")
            text[field] = int(text[field])
        if text["capacity"] not in CAPACITIES:
            raise SettingsError(f"{names['capacity']} is not FARGATE or FARGATE_SPOT")
        if text["assign_public_ip"] not in ("ENABLED", "DISABLED"):
            raise SettingsError(f"{names['assign_public_ip']} is not ENABLED or DISABLED")
        return cls(**text)


# ------------------------------------------------------------------------------------------ parse


@dataclass(frozen=True, slots=True)
class Input:
    """An object that was created, as far as its event tells."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sequencer: str | None = None


def input_of_record(record: Mapping[str, Any]) -> Input | None:
    """Read one record of S3's native notification; None when it tells of no creation."""
    match record:
        case {
            "eventSource": "aws:s3",
            "eventName": str(name),
            "s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as known},
        } if name.startswith("ObjectCreated:"):
            # Only this form is encoded, as a web form is.
            return _input(bucket, unquote_plus(key), known)
    return None


def input_of_event(event: Mapping[str, Any]) -> Input | None:
    """Read an S3 event in EventBridge's form; None when it tells of no creation."""
    match event:
        case {
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as known},
        }:
            return _input(bucket, key, known)
    return None


def _input(bucket: str, key: str, known: Mapping[str, Any]) -> Input:
    return Input(
        bucket=bucket,
        key=key,
        version_id=known.get("versionId") or known.get("version-id"),
        etag=known.get("eTag") or known.get("etag"),
        size=known.get("size"),
        sequencer=known.get("sequencer"),
    )


def why_ignored(source: Input, settings: Settings) -> str | None:
    """Say why an object is not a job, or None when it is one."""
    own_prefix = f"{settings.output_key}/" if settings.output_key else ""
    if source.bucket == settings.output_bucket and source.key.startswith(own_prefix):
        return "an output of our own"
    if source.key.endswith("/"):
        return "a folder"
    if settings.suffixes and not source.key.lower().endswith(settings.suffixes):
        return "not one of the suffixes"
    return None


def body_of(source: Input, settings: Settings) -> str:
    """Write the message for an input; what its event did not tell is left out."""
    known = {name: value for name, value in asdict(source).items() if value not in (None, "")}
    output = {"output_bucket": settings.output_bucket, "output_key": settings.output_key}
    # Escaped to ASCII, because a key may hold characters that SQS refuses. Ten of the longest keys,
    # escaped to the last character, still weigh a third of what one batch may.
    return json.dumps(known | output)


@dataclass(frozen=True)
class Dispatcher:
    """Handles one event at a time, with the clients it is given."""

    settings: Settings
    sqs: "SQSClient"
    fleet: "Fleet"

    def handle(self, event: Mapping[str, Any]) -> None:
        """Do what an event asks for; an unknown one is logged, as raising would only repeat it."""
        match event:
            case {"Records": [*records]}:
                self._dispatch(records, input_of_record)
            case {"source": "aws.s3"}:
                self._dispatch([event], input_of_event)
            case {"source": "aws.ecs", "detail": {"lastStatus": "STOPPED"} as task}:
                self._task_stopped(task)
            case {"source": "aws.events"} | {"detail-type": "Scheduled Event"}:
                self._look(sweep=True)
            case _:
                log("ignored", why="not an event of ours", event=repr(event)[:LONGEST_LOGGED])

    def _dispatch(
        self,
        records: Sequence[Mapping[str, Any]],
        read: Callable[[Mapping[str, Any]], Input | None],
    ) -> None:
        bodies = []
        for record in records:
            source = read(record)
            if source is None:
                log("ignored", why="not a creation", record=repr(record)[:LONGEST_LOGGED])
            elif why := why_ignored(source, self.settings):
                log("ignored", why=why, bucket=source.bucket, key=source.key)
            else:
                bodies.append(body_of(source, self.settings))
        if bodies:
            self._send(bodies)
            self._look(sent=len(bodies))

    def _send(self, bodies: Sequence[str]) -> None:
        """Send every message or raise, so that Lambda retries the event: duplicates do no harm."""
        unsent = 0
        for first in range(0, len(bodies), MESSAGES_PER_BATCH):
            unsent += self._send_batch(bodies[first : first + MESSAGES_PER_BATCH])
        if unsent:
            raise NotSent(f"{unsent} of {len(bodies)} messages were not taken by the queue")
        log("sent", messages=len(bodies))

    def _send_batch(self, bodies: Sequence[str]) -> int:
        """Send up to ten messages and count those that the queue did not take."""
        waiting = {str(position): body for position, body in enumerate(bodies)}
        refused = 0
        for _ in range(SEND_ATTEMPTS):
            answer = self.sqs.send_message_batch(
                QueueUrl=self.settings.queue_url,
                Entries=[{"Id": name, "MessageBody": body} for name, body in waiting.items()],
            )
            failed = answer.get("Failed", [])
            for failure in failed:
                log("not sent", why=failure["Code"], body=waiting[failure["Id"]])
            again = [failure["Id"] for failure in failed if not failure["SenderFault"]]
            refused += len(failed) - len(again)
            waiting = {name: waiting[name] for name in again}
            if not waiting:
                break
        return refused + len(waiting)

    def _task_stopped(self, task: Mapping[str, Any]) -> None:
        ours = (_short(self.settings.cluster), _family(self.settings.task_definition))
        name = task.get("taskArn")
        if (_short(task.get("clusterArn", "")), _family(task.get("taskDefinitionArn", ""))) != ours:
            log("ignored", why="not a task of ours", task=name)
        elif ended_well(task):
            self._look()
        else:
            log("left to the sweep", task=name, why=task.get("stoppedReason"))

    def _look(self, *, sent: int = 0, sweep: bool = False) -> None:
        """Start the tasks that the backlog wants and the fleet lacks.

        Whatever may pass by itself is logged and left to the next look: the messages are durable.
        """
        try:
            alive = self.fleet.alive()
            wanted = self._wanted(sent, len(alive))
            if wanted > len(alive) and self.fleet.newest_ended_badly():
                # A broken image or model must not be started over and over: one try a sweep.
                wanted = len(alive) + sweep
                log("held back", why="the newest stopped task ended badly", wanted=wanted)
            self.fleet.fill(alive, wanted)
        except (ClientError, HTTPClientError, NoConnection) as error:
            if not is_passing(error):
                raise
            log("look put off", why=str(error))

    def _wanted(self, sent: int, alive: int) -> int:
        """Count the tasks that the queue is worth."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.settings.queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        # The count may lag behind what was just sent. With nobody alive, messages in flight are in
        # backoff or wait for a dead worker: they become visible in time for a sweep.
        backlog = max(int(attributes["ApproximateNumberOfMessages"]), sent)
        if alive:
            backlog += int(attributes["ApproximateNumberOfMessagesNotVisible"])
        wanted = math.ceil(backlog / self.settings.messages_per_task)
        wanted = min(wanted, self.settings.max_tasks)
        log("looked", backlog=backlog, alive=alive, wanted=wanted)
        return wanted


# ------------------------------------------------------------------------------------------ fleet


@dataclass(frozen=True)
class Fleet:
    """The tasks of the worker's family."""

    settings: Settings
    ecs: "ECSClient"
    now: Callable[[], float] = time.time

    def alive(self) -> set[str]:
        """Name the tasks that are meant to run."""
        return set(self._tasks("RUNNING"))

    def newest_ended_badly(self) -> bool:
        """Tell whether the task that stopped last did so in an error."""
        ended = [task for task in self._describe(self._tasks("STOPPED")) if ended_at(task)]
        newest = max(ended, key=ended_at, default=None)
        return newest is not None and not ended_well(newest)

    def fill(self, alive: set[str], wanted: int) -> None:
        """Claim slots until as many tasks are alive as are wanted.

        The slots past the living come first. When one of them is taken by a task already counted,
        another task has ended since, or was not listed yet: its slot is one of those below. They
        are tried from the last, so that those who start tasks take slots that lie together, and
        whoever does not see a task comes upon its slot before a free one.
        """
        minute = int(self.now() // 60)
        slots = itertools.chain(range(len(alive), wanted), reversed(range(len(alive))))
        for slot in slots:
            if len(alive) >= wanted:
                return
            task = self._claim(minute, slot)
            if task is None:
                return
            alive.add(task)

    def _claim(self, minute: int, slot: int) -> str | None:
        """Name the task that holds a slot in this minute, started now or by another dispatcher.

        A slot for which Spot has no capacity is asked for on demand.
        """
        for capacity in CAPACITIES[self.settings.capacity]:
            try:
                return self._claim_on(capacity, minute, slot)
            except NoCapacity as error:
                log("no capacity", slot=slot, capacity=capacity, why=str(error))
        return None

    def _claim_on(self, capacity: str, minute: int, slot: int) -> str | None:
        for generation in range(GENERATIONS):
            asked_at = self.now()
            try:
                answer = self._run_task(capacity, self._token(minute, slot, capacity, generation))
            except ClientError as error:
                if NO_CAPACITY in str(error).lower():
                    raise NoCapacity(str(error)) from error
                if error.response["Error"]["Code"] != "ConflictException":
                    raise
                continue  # asked for with other settings, before a deployment perhaps
            if not answer["tasks"]:
                why = json.dumps([failure.get("reason") for failure in answer["failures"]])
                if NO_CAPACITY in why.lower():
                    raise NoCapacity(why)
                log("not started", slot=slot, why=why)
                return None
            task = answer["tasks"][0]
            if not self._has_stopped(task, asked_at):
                log("claimed", task=task["taskArn"], slot=slot, generation=generation)
                return task["taskArn"]
        log("not started", slot=slot, why="every generation of this minute has stopped already")
        return None

    def _token(self, minute: int, slot: int, capacity: str, generation: int) -> str:
        """Name one start, the same in every dispatcher: ECS acts on a token once."""
        family = _family(self.settings.task_definition)
        start = (self.settings.cluster, family, minute, slot, capacity, generation)
        return hashlib.sha256(json.dumps(start).encode()).hexdigest()

    def _run_task(self, capacity: str, token: str) -> "RunTaskResponseTypeDef":
        settings = self.settings
        where: dict[str, Any] = {"launchType": "FARGATE"}
        if capacity == "FARGATE_SPOT":
            where = {"capacityProviderStrategy": [{"capacityProvider": capacity, "weight": 1}]}
        return self.ecs.run_task(
            cluster=settings.cluster,
            taskDefinition=settings.task_definition,
            count=1,
            clientToken=token,
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": settings.subnets,
                    "securityGroups": settings.security_groups,
                    "assignPublicIp": settings.assign_public_ip,
                }
            },
            **where,
        )

    def _has_stopped(self, task: "TaskTypeDef", asked_at: float) -> bool:
        """Tell whether the answered task is over: a used token answers with a task as it began."""
        if is_stopped(task):
            return True
        created = task.get("createdAt")
        if created and created.timestamp() > asked_at - CLOCK_SKEW_SECONDS:
            return False  # this very call started it
        # One that ECS does not know yet is alive.
        return any(is_stopped(described) for described in self._describe([task["taskArn"]]))

    def _tasks(self, desired_status: Literal["RUNNING", "STOPPED"]) -> list[str]:
        """List the family's tasks; a service's list would not hold those that RunTask started."""
        pages = self.ecs.get_paginator("list_tasks").paginate(
            cluster=self.settings.cluster,
            family=_family(self.settings.task_definition),
            desiredStatus=desired_status,
        )
        return [task for page in pages for task in page["taskArns"]]

    def _describe(self, tasks: Sequence[str]) -> Iterator["TaskTypeDef"]:
        for first in range(0, len(tasks), TASKS_PER_DESCRIPTION):
            some = tasks[first : first + TASKS_PER_DESCRIPTION]
            yield from self.ecs.describe_tasks(cluster=self.settings.cluster, tasks=some)["tasks"]


def ended_well(task: Mapping[str, Any]) -> bool:
    """Tell whether a stopped task drained the queue, or was taken back by AWS while it tried."""
    exits = [
        container.get("exitCode")
        for container in task.get("containers", [])
        if container.get("name") == WORKER_CONTAINER
    ]
    return task.get("stopCode") in RECLAIMED or exits == [0]


def ended_at(task: "TaskTypeDef") -> float:
    """Give the time at which a task ended, 0 while it has not."""
    moment = task.get("executionStoppedAt") or task.get("stoppedAt")
    return moment.timestamp() if moment else 0


def is_stopped(task: "TaskTypeDef") -> bool:
    """Tell whether a task is over or on its way there."""
    return "STOPPED" in (task.get("lastStatus"), task.get("desiredStatus"))


def is_passing(error: Exception) -> bool:
    """Tell a throttle, a server's error or a broken connection from a mistake of ours."""
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= SERVER_ERROR or any(sign in str(error).lower() for sign in LATER)


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]


def _family(task_definition: str) -> str:
    return _short(task_definition).partition(":")[0]
