"""The dispatcher: send a message for each S3 event, then start the workers that the queue needs.

One self-contained file, so that Lambda needs nothing but its own boto3. The sections stand in the
order in which an event passes through them: entry point, settings, events and messages, dispatcher,
fleet.
"""

import functools
import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self
from urllib.parse import unquote_plus

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_ecs.type_defs import RunTaskResponseTypeDef, TaskTypeDef
    from mypy_boto3_sqs import SQSClient

PREFIX = "DISPATCHER_"
WORKER_CONTAINER = "worker"
PAUSED_TAG = "tidegate:paused"  # of the queue; its value is the time since when
MESSAGES_PER_BATCH = 10
TASKS_PER_DESCRIBE = 100
SEND_ATTEMPTS = 3
# A call of the SDK takes so long at most: each of its attempts connects and waits for an answer.
# The pauses between three attempts take one and two seconds.
CALL_ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, PAUSE_SECONDS = 3, 2, 6, 3
CALL_SECONDS = CALL_ATTEMPTS * (CONNECT_SECONDS + READ_SECONDS) + PAUSE_SECONDS
GENERATIONS = 3  # attempts to start a task in one slot and minute
CLOCK_SKEW_SECONDS = 1
SERVER_ERROR = 500
MAX_LOGGED = 1000  # characters of an event
CREATED = "ObjectCreated:"
# What S3 reports beside created objects, in its own notifications (how the name begins) and through
# EventBridge.
NOT_CREATED = (
    "ObjectRemoved:",
    "ObjectRestore:",
    "ObjectTagging:",
    "ObjectAcl:",
    "LifecycleExpiration:",
    "LifecycleTransition",
    "IntelligentTiering",
    "Replication:",
    "ReducedRedundancyLostObject",
)
NOT_CREATED_IN_EVENTBRIDGE = frozenset(
    {
        "Object Deleted",
        "Object Restore Initiated",
        "Object Restore Completed",
        "Object Restore Expired",
        "Object Tags Added",
        "Object Tags Deleted",
        "Object ACL Updated",
        "Object Storage Class Changed",
        "Object Access Tier Changed",
    }
)
# Stop codes of a task that AWS took back.
RECLAIMED = frozenset({"SpotInterruption", "TerminationNotice"})
# ECS reports throttling in many ways, and not always in the error's code.
# In an error's code only: a message may name a cluster or a queue, which people name as they like.
THROTTLED_CODES = ("throttl", "requestlimitexceeded", "toomanyrequests")
# In an error's message, under codes of other meanings. No name has a space.
THROTTLED_WORDS = ("rate exceeded", "reached the limit")
NO_CAPACITY = "capacity is unavailable"
# The capacities to try, in order: ECS itself never replaces Spot with on-demand capacity.
CAPACITIES = {"FARGATE": ("FARGATE",), "FARGATE_SPOT": ("FARGATE_SPOT", "FARGATE")}


class SettingsError(Exception):
    """A DISPATCHER_ variable is missing or wrong."""


class NotSent(Exception):
    """SQS did not accept every message, so Lambda must retry the event."""


class UnknownEvent(Exception):
    """An event is neither handled nor ignored by name, so it must be kept where it came from."""


class NoCapacity(Exception):
    """AWS has no capacity for another task now."""


class OutOfTime(HTTPClientError):
    """Less of the invocation's time is left than a call may take, so that no call is begun."""

    fmt = "{left:.0f} s of the invocation are left, and a call may take {call} s"


# -------------------------------------------------------------------------------------- entry point


class Invocation(Protocol):
    """What the dispatcher uses of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation."""


_invocation: ContextVar[Invocation | None] = ContextVar("_invocation", default=None)


def handler(event: object, context: Invocation | None) -> None:
    """Lambda's entry point."""
    _invocation.set(context)
    _dispatcher().handle(event)


@functools.cache
def _dispatcher() -> "Dispatcher":
    config = Config(
        retries={"mode": "standard", "total_max_attempts": CALL_ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
    )
    settings = Settings.from_environment(os.environ)
    sqs, ecs = boto3.client("sqs", config=config), boto3.client("ecs", config=config)
    for client in (sqs, ecs):
        client.meta.events.register("before-call", _check_time)
    return Dispatcher(settings=settings, sqs=sqs, fleet=Fleet(settings, ecs))


def _check_time(**_: object) -> None:
    """Raise OutOfTime unless a call that begins now ends before Lambda ends the invocation.

    Lambda would count the invocation as failed, although its messages may have been sent.
    """
    context = _invocation.get()
    if context is None:
        return
    left = context.get_remaining_time_in_millis() / 1000
    if left < CALL_SECONDS:
        raise OutOfTime(left=left, call=CALL_SECONDS)


def log(decision: str, **facts: object) -> None:
    """Log a decision and the facts behind it as one line of JSON."""
    print(json.dumps({"decision": decision, **facts}))  # noqa: T201 - Lambda's log is its stdout


# ----------------------------------------------------------------------------------------- settings


@dataclass(frozen=True, slots=True)
class Settings:
    """The dispatcher's settings, one attribute for each DISPATCHER_ variable."""

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
    input_prefix: str = ""  # a stack of an older template has no such variable

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every variable; raises SettingsError naming those that are missing or wrong."""
        names = {field: PREFIX + field.upper() for field in cls.__slots__}
        environment = {names["input_prefix"]: "", **environment}
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


# ------------------------------------------------------------------------------ events and messages


@dataclass(frozen=True, slots=True)
class Input:
    """A created object, with the facts that its event has."""

    bucket: str
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    sequencer: str | None = None


def unwrap(event: object) -> Iterator[object]:
    """Yield each event that AWS has wrapped in an event; the event itself if it wraps none.

    A wrapping may stand in another one: an SNS notification in an SQS message, for example.
    """
    match event:
        case {"Records": [_, *_] as parts} | ([_, *_] as parts):
            for part in parts:
                yield from unwrap(part)
        case (
            {"eventSource": "aws:sqs", "body": str(text)}
            | {"EventSource": "aws:sns", "Sns": {"Message": str(text)}}
            | {"Type": "Notification", "Message": str(text)}  # SNS, in the body of an SQS message
        ):
            yield from unwrap(_parse_json(text))
        # Lambda's record of an invocation that failed, which EventBridge puts into an event.
        case {"requestPayload": inner} | {"source": "lambda", "detail": {"requestPayload": inner}}:
            yield from unwrap(inner)
        case _:
            yield event


def _parse_json(text: str) -> object:
    """Return what a text says as JSON; the text itself, which is no event, if it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_created_object(event: object) -> Input | None:
    """Parse one event of S3, its own or through EventBridge; None if it reports no new object."""
    match event:
        case {
            "eventSource": "aws:s3",
            "eventName": str(name),
            "s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as known},
        } if name.removeprefix("s3:").startswith(CREATED):
            # Only S3's own notifications have URL-encoded keys, with "+" for a space.
            return _input(bucket, unquote_plus(key), known)
        case {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as known},
        }:
            return _input(bucket, key, known)
    return None


def name_if_no_job(event: object) -> str | None:
    """Return the name of an event that is known, and is no job; None if it is not known."""
    match event:
        case {"Event": "s3:TestEvent"}:
            return "s3:TestEvent"
        case {"eventSource": "aws:s3", "eventName": str(name)}:
            return name if name.removeprefix("s3:").startswith(NOT_CREATED) else None
        case {"source": "aws.s3", "detail-type": str(name)}:
            return name if name in NOT_CREATED_IN_EVENTBRIDGE else None
        case {
            "source": "aws.ecs",
            "detail-type": "ECS Task State Change",
            "detail": {"lastStatus": str(status)},
        }:
            return f"a task that is {status}"
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


def reason_to_ignore(source: Input, settings: Settings) -> str | None:
    """Return why an object is not a job; None if it is a job."""
    own_prefix = f"{settings.output_key}/" if settings.output_key else ""
    if source.bucket == settings.output_bucket and source.key.startswith(own_prefix):
        return "an output of this stack"
    if not source.key.startswith(settings.input_prefix):
        return "not below DISPATCHER_INPUT_PREFIX"
    if source.key.endswith("/"):
        return "a folder"
    if settings.suffixes and not source.key.lower().endswith(settings.suffixes):
        return "no suffix of DISPATCHER_SUFFIXES"
    return None


def message_body(source: Input, settings: Settings) -> str:
    """Return the message body for an input, without the fields that its event did not have."""
    known = {name: value for name, value in asdict(source).items() if value not in (None, "")}
    output = {"output_bucket": settings.output_bucket, "output_key": settings.output_key}
    # Escaped to ASCII, because a key may hold characters that SQS refuses. Ten keys of the maximum
    # length, with every character escaped, take a third of a batch's maximum size.
    return json.dumps(known | output)


# --------------------------------------------------------------------------------------- dispatcher


@dataclass(frozen=True)
class Dispatcher:
    """Handles one event: sends its messages, then starts the tasks that the queue needs."""

    settings: Settings
    sqs: "SQSClient"
    fleet: "Fleet"

    def handle(self, event: object) -> None:
        """Handle each event that is wrapped in an event.

        Raises UnknownEvent after all others are handled, so that AWS keeps what is not known. An
        SQS batch then returns as a whole, which is safe with and without partial batch responses;
        its other messages are sent again, which does no harm.
        """
        bodies, others = [], []
        for part in unwrap(event):
            source = parse_created_object(part)
            if source is None:
                others.append(part)
            elif why := reason_to_ignore(source, self.settings):
                log("ignored", why=why, bucket=source.bucket, key=source.key)
            else:
                bodies.append(message_body(source, self.settings))
        if bodies:
            self._send(bodies)
            self._scale_out(sent=len(bodies))
        # A sweep that is wrapped is an old one that is replayed: it starts no failing worker.
        known = [self._handle_other(part, sweep=part is event) for part in others]
        if not all(known):
            first = repr(others[known.index(False)])[:MAX_LOGGED]
            raise UnknownEvent(f"neither handled nor ignored by name: {first}")

    def _handle_other(self, event: object, *, sweep: bool) -> bool:
        """Handle an event that reports no created object; return whether it is known."""
        match event:
            case {"source": "aws.ecs", "detail": {"lastStatus": "STOPPED"} as task}:
                self._task_stopped(task)
            case {"source": "aws.events"} | {"detail-type": "Scheduled Event"}:
                self._scale_out(sweep=sweep)
            case _ if name := name_if_no_job(event):
                log("ignored", why=f"no job: {name}", event=repr(event)[:MAX_LOGGED])
            case _:
                log("unknown event", event=repr(event)[:MAX_LOGGED])
                return False
        return True

    def _send(self, bodies: Sequence[str]) -> None:
        """Send all messages; raises NotSent if one fails, so that Lambda retries the event.

        A retry sends some messages twice, which does no harm.
        """
        unsent = 0
        for first in range(0, len(bodies), MESSAGES_PER_BATCH):
            unsent += self._send_batch(bodies[first : first + MESSAGES_PER_BATCH])
        if unsent:
            raise NotSent(f"{unsent} of {len(bodies)} messages were not accepted by the queue")
        log("messages sent", messages=len(bodies))

    def _send_batch(self, bodies: Sequence[str]) -> int:
        """Send up to ten messages; return how many of them SQS did not accept."""
        waiting = {str(position): body for position, body in enumerate(bodies)}
        refused = 0
        for _ in range(SEND_ATTEMPTS):
            response = self.sqs.send_message_batch(
                QueueUrl=self.settings.queue_url,
                Entries=[{"Id": name, "MessageBody": body} for name, body in waiting.items()],
            )
            failed = response.get("Failed", [])
            for failure in failed:
                log("message not sent", why=failure["Code"], body=waiting[failure["Id"]])
            retryable = [failure["Id"] for failure in failed if not failure["SenderFault"]]
            refused += len(failed) - len(retryable)
            waiting = {name: waiting[name] for name in retryable}
            if not waiting:
                break
        return refused + len(waiting)

    def _task_stopped(self, task: Mapping[str, Any]) -> None:
        """Start tasks at once if a worker ended normally; leave a failed worker to the sweep."""
        own = (_short(self.settings.cluster), _family(self.settings.task_definition))
        name = task.get("taskArn")
        if (_short(task.get("clusterArn", "")), _family(task.get("taskDefinitionArn", ""))) != own:
            log("ignored", why="a task of another cluster or family", task=name)
        elif ended_normally(task):
            self._scale_out()
        else:
            log("worker failed, left to the sweep", task=name, why=task.get("stoppedReason"))

    def _scale_out(self, *, sent: int = 0, sweep: bool = False) -> None:
        """Start the tasks that the backlog needs and the fleet lacks.

        An error of AWS is logged and left to the next sweep, because the messages are durable.
        """
        try:
            running = self.fleet.running()
            wanted = self._wanted(sent, len(running))
            if wanted > len(running) and self._is_paused():
                log("paused", wanted=wanted)
                return
            if wanted > len(running) and self.fleet.last_stopped_failed():
                # A broken image or model must not be started again and again: one task a sweep.
                wanted = len(running) + sweep
                log("starts limited", why="the task that stopped last failed", wanted=wanted)
            self.fleet.start(running, wanted)
        except (ClientError, BotoCoreError) as error:
            if is_transient(error):
                log("fleet check postponed", why=str(error))
            else:
                log("start refused", why=str(error))

    def _is_paused(self) -> bool:
        """Return whether the queue has the tag that keeps workers from starting.

        A tag is set at once, and stays when the stack is updated. Messages are sent all the same.
        Where AWS refuses to tell, as to a role of an older template, workers start.
        """
        try:
            answer = self.sqs.list_queue_tags(QueueUrl=self.settings.queue_url)
        except ClientError as error:
            log("pause not known", why=str(error))
            return False
        return PAUSED_TAG in answer.get("Tags", {})

    def _wanted(self, sent: int, running: int) -> int:
        """Return how many tasks the queue's backlog needs."""
        attributes = self.sqs.get_queue_attributes(
            QueueUrl=self.settings.queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        # SQS's count may not include the messages just sent. While no task runs, a message in
        # flight is in backoff, or its worker has died: a sweep counts it once it is visible.
        backlog = max(int(attributes["ApproximateNumberOfMessages"]), sent)
        if running:
            backlog += int(attributes["ApproximateNumberOfMessagesNotVisible"])
        wanted = math.ceil(backlog / self.settings.messages_per_task)
        wanted = min(wanted, self.settings.max_tasks)
        log("fleet checked", backlog=backlog, running=running, wanted=wanted)
        return wanted


# -------------------------------------------------------------------------------------------- fleet


@dataclass(frozen=True)
class Fleet:
    """The worker's tasks: those of one task family in one cluster."""

    settings: Settings
    ecs: "ECSClient"
    now: Callable[[], float] = time.time

    def running(self) -> set[str]:
        """Return the ARNs of the tasks whose desired status is RUNNING."""
        return set(self._list("RUNNING"))

    def last_stopped_failed(self) -> bool:
        """Return whether the task that stopped last had failed."""
        ended = [task for task in self._describe(self._list("STOPPED")) if ended_at(task)]
        newest = max(ended, key=ended_at, default=None)
        return newest is not None and not ended_normally(newest)

    def start(self, running: set[str], wanted: int) -> None:
        """Claim slots until as many tasks run as are wanted.

        Try slots above the number of running tasks first. If such a slot belongs to a task that is
        already counted, another task has ended since, or ECS does not list that task yet. The slot
        of that other task is a lower one, so the lower slots are tried next, from the highest down.
        This order keeps the slots in use next to each other: a dispatcher that does not see a
        running task comes to that task's slot before it comes to a free one.
        """
        minute = int(self.now() // 60)
        slots = itertools.chain(range(len(running), wanted), reversed(range(len(running))))
        for slot in slots:
            if len(running) >= wanted:
                return
            task = self._claim(minute, slot)
            if task is None:
                return
            running.add(task)

    def _claim(self, minute: int, slot: int) -> str | None:
        """Return the task that holds a slot in this minute; None if no task could be started.

        The task is started now, or another dispatcher has already started it. If Spot has no
        capacity, on-demand capacity is used.
        """
        for capacity in CAPACITIES[self.settings.capacity]:
            try:
                return self._claim_on(capacity, minute, slot)
            except NoCapacity as error:
                log("no capacity", slot=slot, capacity=capacity, why=str(error))
        return None

    def _claim_on(self, capacity: str, minute: int, slot: int) -> str | None:
        """Claim a slot on one capacity; raises NoCapacity if AWS has none."""
        for generation in range(GENERATIONS):
            asked_at = self.now()
            try:
                response = self._run_task(
                    capacity, self._client_token(minute, slot, capacity, generation)
                )
            except ClientError as error:
                if NO_CAPACITY in str(error).lower():
                    raise NoCapacity(str(error)) from error
                if error.response["Error"]["Code"] != "ConflictException":
                    raise
                continue  # this token was used with other settings, perhaps before a deployment
            if not response["tasks"]:
                why = json.dumps([failure.get("reason") for failure in response["failures"]])
                if NO_CAPACITY in why.lower():
                    raise NoCapacity(why)
                log("start refused", slot=slot, why=why)
                return None
            task = response["tasks"][0]
            if not self._has_stopped(task, asked_at):
                log("slot claimed", task=task["taskArn"], slot=slot, generation=generation)
                return task["taskArn"]
        log("task not started", slot=slot, why="all tasks of this slot and minute have stopped")
        return None

    def _client_token(self, minute: int, slot: int, capacity: str, generation: int) -> str:
        """Return the client token of one start; ECS starts one task for each token.

        All dispatchers make the same token for the same start.
        """
        family = _family(self.settings.task_definition)
        start = (self.settings.cluster, family, minute, slot, capacity, generation)
        return hashlib.sha256(json.dumps(start).encode()).hexdigest()

    def _run_task(self, capacity: str, token: str) -> "RunTaskResponseTypeDef":
        settings = self.settings
        launch: dict[str, Any] = {"launchType": "FARGATE"}
        if capacity == "FARGATE_SPOT":
            launch = {"capacityProviderStrategy": [{"capacityProvider": capacity, "weight": 1}]}
        return self.ecs.run_task(
            cluster=settings.cluster,
            taskDefinition=settings.task_definition,
            count=1,
            clientToken=token,
            propagateTags="TASK_DEFINITION",  # which has the stack's tags, for cost allocation
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": settings.subnets,
                    "securityGroups": settings.security_groups,
                    "assignPublicIp": settings.assign_public_ip,
                }
            },
            **launch,
        )

    def _has_stopped(self, task: "TaskTypeDef", asked_at: float) -> bool:
        """Return whether the task in RunTask's response has stopped.

        For a token that was used before, RunTask returns the task as it was at its start.
        """
        if is_stopped(task):
            return True
        created = task.get("createdAt")
        if created and created.timestamp() > asked_at - CLOCK_SKEW_SECONDS:
            return False  # this call started it
        # A task that ECS cannot describe yet has just been started.
        return any(is_stopped(described) for described in self._describe([task["taskArn"]]))

    def _list(self, desired_status: Literal["RUNNING", "STOPPED"]) -> list[str]:
        """List the family's tasks. Listing by service would miss tasks that RunTask started."""
        pages = self.ecs.get_paginator("list_tasks").paginate(
            cluster=self.settings.cluster,
            family=_family(self.settings.task_definition),
            desiredStatus=desired_status,
        )
        return [task for page in pages for task in page["taskArns"]]

    def _describe(self, tasks: Sequence[str]) -> Iterator["TaskTypeDef"]:
        for first in range(0, len(tasks), TASKS_PER_DESCRIBE):
            batch = tasks[first : first + TASKS_PER_DESCRIBE]
            yield from self.ecs.describe_tasks(cluster=self.settings.cluster, tasks=batch)["tasks"]


def ended_normally(task: Mapping[str, Any]) -> bool:
    """Return whether the worker of a stopped task exited with 0, or AWS reclaimed the task."""
    exits = [
        container.get("exitCode")
        for container in task.get("containers", [])
        if container.get("name") == WORKER_CONTAINER
    ]
    return task.get("stopCode") in RECLAIMED or exits == [0]


def ended_at(task: "TaskTypeDef") -> float:
    """Return when a task ended, in seconds since 1970; 0 if it has not ended."""
    moment = task.get("executionStoppedAt") or task.get("stoppedAt")
    return moment.timestamp() if moment else 0


def is_stopped(task: "TaskTypeDef") -> bool:
    """Return whether a task has stopped or is stopping."""
    return "STOPPED" in (task.get("lastStatus"), task.get("desiredStatus"))


def is_transient(error: Exception) -> bool:
    """Return whether an error is a throttle, a server error or a connection failure."""
    if not isinstance(error, ClientError):
        return isinstance(error, HTTPClientError | BotoConnectionError)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = error.response["Error"].get("Code", "").lower()
    message = error.response["Error"].get("Message", "").lower()
    return (
        status >= SERVER_ERROR
        or any(word in code for word in THROTTLED_CODES)
        or any(words in message for words in THROTTLED_WORDS)
    )


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]


def _family(task_definition: str) -> str:
    return _short(task_definition).partition(":")[0]
