"""Fakes of SQS and ECS for the dispatcher's tests, with ECS's documented client tokens."""

# ruff: noqa: N803 - the arguments are boto3's

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote_plus

import pytest
from botocore.exceptions import ClientError
from mypy_boto3_ecs import ECSClient
from mypy_boto3_sqs import SQSClient

from dispatcher.handler import Dispatcher, Fleet, Settings

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/tide"
TASK_DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/tide-worker:7"
ENVIRONMENT = {
    "DISPATCHER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
    "DISPATCHER_OUTPUT_BUCKET": "out",
    "DISPATCHER_OUTPUT_KEY": "predictions",
    "DISPATCHER_SUFFIXES": ".csv,.parquet",
    "DISPATCHER_CLUSTER": "tide",
    "DISPATCHER_TASK_DEFINITION": TASK_DEFINITION,
    "DISPATCHER_SUBNETS": "subnet-1,subnet-2",
    "DISPATCHER_SECURITY_GROUPS": "sg-1",
    "DISPATCHER_ASSIGN_PUBLIC_IP": "ENABLED",
    "DISPATCHER_CAPACITY": "FARGATE",
    "DISPATCHER_MAX_TASKS": "4",
    "DISPATCHER_MESSAGES_PER_TASK": "10",
}
SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


def client_error(code: str, message: str = "", *, operation: str = "RunTask") -> ClientError:
    status = 500 if code == "ServerException" else 400
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HostId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        operation,
    )


@dataclass
class Clock:
    """A clock that a test advances by hand."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@dataclass
class Calls:
    """The AWS calls that were made, in order, and the errors to raise by operation."""

    made: list[str] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)

    def record(self, operation: str) -> None:
        self.made.append(operation)
        if operation in self.errors:
            raise self.errors[operation]


@dataclass
class FakeSqs:
    """A queue that keeps the messages sent to it, and returns the counts that a test sets."""

    calls: Calls
    batches: list[list[dict[str, str]]] = field(default_factory=list)
    refusals: list[dict[str, bool]] = field(default_factory=list)
    visible: int = 0
    in_flight: int = 0
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(entry["MessageBody"]) for batch in self.batches for entry in batch]

    def send_message_batch(
        self,
        *,
        QueueUrl: str,
        Entries: list[dict[str, str]],
    ) -> dict[str, Any]:
        self.calls.record("SendMessageBatch")
        assert QueueUrl == ENVIRONMENT["DISPATCHER_QUEUE_URL"]
        self.batches.append(Entries)
        refused = self.refusals.pop(0) if self.refusals else {}
        return {
            "Successful": [{"Id": entry["Id"]} for entry in Entries if entry["Id"] not in refused],
            "Failed": [
                {"Id": name, "Code": "Refused", "SenderFault": fault}
                for name, fault in refused.items()
            ],
        }

    def list_queue_tags(self, **_: object) -> dict[str, dict[str, str]]:
        self.calls.record("ListQueueTags")
        return {"Tags": self.tags} if self.tags else {}

    def get_queue_attributes(self, **_: object) -> dict[str, dict[str, str]]:
        self.calls.record("GetQueueAttributes")
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(self.visible),
                "ApproximateNumberOfMessagesNotVisible": str(self.in_flight),
            }
        }


@dataclass
class FakeEcs:
    """A cluster whose RunTask treats client tokens as ECS documents."""

    calls: Calls
    clock: Clock
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    failures: list[dict[str, str]] = field(default_factory=list)
    short_of: dict[str, Exception | str] = field(default_factory=dict)
    page: int = 100

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [request for request, _ in self.tokens.values()]

    @property
    def running(self) -> list[str]:
        return [arn for arn, task in self.tasks.items() if task["desiredStatus"] == "RUNNING"]

    def run_task(self, *, clientToken: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - as boto3 takes it
        self.calls.record("RunTask")
        if clientToken in self.tokens:
            original, answer = self.tokens[clientToken]
            if request != original:
                raise client_error("ConflictException")
            return copy.deepcopy(answer)
        capacity = "FARGATE_SPOT" if "capacityProviderStrategy" in request else "FARGATE"
        match self.short_of.get(capacity):
            case Exception() as error:
                raise error
            case str(reason):
                return {"tasks": [], "failures": [{"reason": reason}]}
        if self.failures:
            return {"tasks": [], "failures": self.failures}
        task = self.add(request["taskDefinition"])
        answer = {"tasks": [copy.deepcopy(task)], "failures": []}
        self.tokens[clientToken] = (request, answer)
        return copy.deepcopy(answer)

    def get_paginator(self, operation: str) -> "FakeEcs":
        assert operation == "list_tasks"
        return self

    def paginate(
        self, *, cluster: str, family: str, desiredStatus: str
    ) -> Iterator[dict[str, Any]]:
        assert cluster == ENVIRONMENT["DISPATCHER_CLUSTER"]
        found = [
            arn
            for arn, task in self.tasks.items()
            if f"/{family}:" in task["taskDefinitionArn"]
            and task["desiredStatus"] == desiredStatus
            and arn not in self.unlisted | self.unknown
        ]
        for first in range(0, max(len(found), 1), self.page):
            self.calls.record("ListTasks")
            yield {"taskArns": found[first : first + self.page]}

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict[str, Any]:
        self.calls.record("DescribeTasks")
        assert cluster == ENVIRONMENT["DISPATCHER_CLUSTER"]
        assert 1 <= len(tasks) <= 100
        known = [copy.deepcopy(self.tasks[arn]) for arn in tasks if arn not in self.unknown]
        return {"tasks": known, "failures": [{"reason": "MISSING"}] * (len(tasks) - len(known))}

    def add(self, task_definition: str = TASK_DEFINITION) -> dict[str, Any]:
        arn = f"arn:aws:ecs:eu-west-1:123456789012:task/tide/{len(self.tasks)}"
        self.tasks[arn] = {
            "taskArn": arn,
            "clusterArn": CLUSTER,
            "taskDefinitionArn": task_definition,
            "createdAt": self.clock.moment(),
            "lastStatus": "PROVISIONING",
            "desiredStatus": "RUNNING",
            "containers": [{"name": "worker", "lastStatus": "PENDING"}],
        }
        return self.tasks[arn]

    def stop(
        self, arn: str, *, exit_code: int | None = 0, code: str = "EssentialContainerExited"
    ) -> dict[str, Any]:
        task = self.tasks[arn]
        task |= {"lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": code}
        task["executionStoppedAt"] = task["stoppedAt"] = self.clock.moment()
        if exit_code is not None:
            task["containers"][0]["exitCode"] = exit_code
        return task


class World:
    """A dispatcher with fakes of SQS and ECS."""

    def __init__(self, **settings: str) -> None:
        self.clock = Clock()
        self.calls = Calls()
        self.sqs = FakeSqs(self.calls)
        self.ecs = FakeEcs(self.calls, self.clock)
        self.settings(**settings)

    def settings(self, **changed: str) -> None:
        names = {f"DISPATCHER_{name.upper()}": value for name, value in changed.items()}
        settings = Settings.from_environment(ENVIRONMENT | names)
        fleet = Fleet(settings, cast("ECSClient", self.ecs), self.clock)
        self.dispatcher = Dispatcher(settings, cast("SQSClient", self.sqs), fleet)

    def handle(self, event: object) -> None:
        self.calls.made.clear()
        self.dispatcher.handle(event)

    def upload(self, *keys: str) -> None:
        self.handle({"Records": [record(key) for key in keys or ("a.csv",)]})

    def sweep(self) -> None:
        self.handle(SWEEP)


def record(key: str, *, bucket: str = "in", event: str = "ObjectCreated:Put") -> dict[str, Any]:
    """Return one record of an S3 notification, with the key URL-encoded as S3 does."""
    return {
        "eventSource": "aws:s3",
        "eventName": event,
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}},
    }


def eventbridge(
    key: str, known: Mapping[str, object] | None = None, kind: str = "Object Created"
) -> dict[str, Any]:
    """Return an event of S3 through EventBridge, with the key as it is."""
    return {
        "source": "aws.s3",
        "detail-type": kind,
        "detail": {"bucket": {"name": "in"}, "object": {"key": key, **(known or {})}},
    }


def stopped_event(task: dict[str, Any], **detail: object) -> dict[str, Any]:
    return {
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": task | detail,
    }


def decisions(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the log lines since the last call, each parsed from JSON."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
