"""The dispatcher's function on real clients, against moto's server."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from mypy_boto3_ecs import ECSClient
from mypy_boto3_sqs import SQSClient

from dispatcher import handler as function

REGION = "eu-west-1"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    reset = HTTPConnection(host, port)  # what other servers of this process left behind
    reset.request("POST", "/moto-api/reset")
    reset.getresponse().read()
    reset.close()
    url = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    yield url
    server.stop()


@pytest.fixture
def sqs(endpoint: str) -> SQSClient:
    return boto3.client("sqs", endpoint_url=endpoint)


@pytest.fixture
def ecs(endpoint: str) -> ECSClient:
    ecs = boto3.client("ecs", endpoint_url=endpoint)
    ecs.create_cluster(clusterName="tide")
    ecs.register_task_definition(
        family="tide-worker",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="1024",
        memory="4096",
        containerDefinitions=[{"name": "worker", "image": "worker", "memory": 4096}],
    )
    return ecs


@pytest.fixture
def queue(
    sqs: SQSClient, ecs: ECSClient, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    url = sqs.create_queue(QueueName="jobs")["QueueUrl"]
    ec2 = boto3.client("ec2", endpoint_url=endpoint)
    settings = {
        "QUEUE_URL": url,
        "INPUT_PREFIX": "",
        "OUTPUT_BUCKET": "out",
        "OUTPUT_KEY": "predictions",
        "SUFFIXES": ".csv",
        "CLUSTER": "tide",
        "TASK_DEFINITION": ecs.list_task_definitions()["taskDefinitionArns"][0],
        "SUBNETS": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        "SECURITY_GROUPS": ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],
        "ASSIGN_PUBLIC_IP": "ENABLED",
        "CAPACITY": "FARGATE",
        "MAX_TASKS": "2",
        "MESSAGES_PER_TASK": "10",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"DISPATCHER_{name}", value)
    function._dispatcher.cache_clear()
    yield url
    function._dispatcher.cache_clear()


def upload(*keys: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": "in"}, "object": {"key": key, "sequencer": "00A1"}},
            }
            for key in keys
        ]
    }


def receive_all(sqs: SQSClient, queue: str) -> list[dict[str, Any]]:
    bodies = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in messages]
    return bodies


def test_every_record_of_an_event_is_on_the_queue(sqs: SQSClient, queue: str) -> None:
    function.handler(upload(*(f"dir/{n}+%2B.csv" for n in range(12))), None)

    bodies = receive_all(sqs, queue)

    assert {body["key"] for body in bodies} == {f"dir/{n} +.csv" for n in range(12)}
    assert bodies[0] == {
        "bucket": "in",
        "key": bodies[0]["key"],
        "output_bucket": "out",
        "output_key": "predictions",
        "sequencer": "00A1",
    }


def test_a_key_with_characters_that_sqs_refuses_arrives_whole(sqs: SQSClient, queue: str) -> None:
    function.handler(upload("%01%EF%BF%BF.csv"), None)

    assert [body["key"] for body in receive_all(sqs, queue)] == ["\x01\uffff.csv"]


def test_uploads_start_tasks_for_the_backlog_and_no_more(ecs: ECSClient, queue: str) -> None:
    assert queue
    for _ in range(3):
        function.handler(upload(*(f"{n}.csv" for n in range(11))), None)

    tasks = ecs.list_tasks(cluster="tide", family="tide-worker")["taskArns"]

    assert len(tasks) == 2
    described = ecs.describe_tasks(cluster="tide", tasks=tasks)["tasks"]
    assert {task["launchType"] for task in described} == {"FARGATE"}


def test_a_sweep_over_an_empty_queue_starts_nothing(ecs: ECSClient, queue: str) -> None:
    assert queue

    function.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, None)

    assert ecs.list_tasks(cluster="tide")["taskArns"] == []


def test_a_sweep_starts_tasks_for_what_waits(sqs: SQSClient, ecs: ECSClient, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="{}")

    function.handler({"source": "aws.events", "detail-type": "Scheduled Event"}, None)

    assert len(ecs.list_tasks(cluster="tide")["taskArns"]) == 1


class Invocation:
    """Lambda's context object, with less and less time left."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds.pop(0) * 1000)


def test_when_the_time_runs_out_the_messages_are_sent_and_the_fleet_is_left_to_the_sweep(
    sqs: SQSClient, ecs: ECSClient, queue: str
) -> None:
    function.handler(upload("a.csv"), Invocation(60, 10))

    assert [body["key"] for body in receive_all(sqs, queue)] == ["a.csv"]
    assert ecs.list_tasks(cluster="tide")["taskArns"] == []
