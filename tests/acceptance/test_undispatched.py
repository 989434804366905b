"""An event that the dispatcher fails on is kept with its error, and can be replayed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.waiting import eventually
from tidegate.localcloud.stack_client import report_key
from tidegate.localcloud.system import System

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

UNREADABLE = {"source": "aws.ecs", "detail": {"lastStatus": "STOPPED", "clusterArn": 5}}


def queue_of_failed_events(sqs: "SQSClient") -> str:
    return sqs.get_queue_url(QueueName="tidegate-undispatched")["QueueUrl"]


def test_an_event_that_the_dispatcher_fails_on_is_kept_with_its_error(system: System) -> None:
    sqs, functions = system.cloud.client("sqs"), system.cloud.client("lambda")
    queue = queue_of_failed_events(sqs)

    def kept() -> list[Mapping[str, str]]:
        found = sqs.receive_message(QueueUrl=queue).get("Messages", [])
        return [message for message in found if "clusterArn" in message["Body"]]

    functions.invoke(
        FunctionName=system.stack.dispatcher_function,
        InvocationType="Event",
        Payload=json.dumps(UNREADABLE).encode(),
    )

    (message,) = eventually(kept)
    record = json.loads(message["Body"])
    assert record["requestPayload"] == UNREADABLE
    assert "has no attribute 'rpartition'" in record["responsePayload"]["errorMessage"]


def test_a_kept_event_is_a_job_once_its_queue_is_pointed_at_the_dispatcher(system: System) -> None:
    sqs: SQSClient = system.cloud.client("sqs")
    s3: S3Client = system.cloud.client("s3")
    queue = queue_of_failed_events(sqs)
    missing = {"bucket": {"name": system.stack.input_bucket}, "object": {"key": "replayed.csv"}}
    record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": missing}
    failed = {"requestPayload": {"Records": [record]}}

    def reported() -> bool:
        found = s3.list_objects_v2(
            Bucket=system.stack.output_bucket, Prefix=report_key("replayed.csv")
        )
        return found["KeyCount"] == 1

    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(failed))
    with pointed_at_the_dispatcher(system, queue):
        assert eventually(reported)


@contextmanager
def pointed_at_the_dispatcher(system: System, queue: str) -> Iterator[None]:
    """Let the queue's messages invoke the function."""
    sqs, functions = system.cloud.client("sqs"), system.cloud.client("lambda")
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    mapping = functions.create_event_source_mapping(
        FunctionName=system.stack.dispatcher_function,
        EventSourceArn=found["Attributes"]["QueueArn"],
        BatchSize=1,
    )
    try:
        yield
    finally:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
