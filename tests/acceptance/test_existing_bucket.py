"""One existing bucket for input and output, which has notifications and files of its own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import eventually
from tidegate.aws.account import Account
from tidegate.aws.input_bucket import apply, plan_wiring, undo
from tidegate.aws.stack import describe
from tidegate.localcloud.stack import ARTIFACTS
from tidegate.localcloud.system import System

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

BUCKET, STACK = "lake-of-ours", "lake"
FLOWER = b"id,sepal_length,sepal_width,petal_length,petal_width\n1,5,3,1,0\n"


@pytest.fixture
def account(system: System, monkeypatch: pytest.MonkeyPatch) -> Account:
    for name, value in system.cloud.environment().items():
        monkeypatch.setenv(name, value)
    return Account()


@pytest.fixture
def s3(system: System) -> "S3Client":
    client: S3Client = system.cloud.client("s3")
    return client


@contextmanager
def deployed(system: System, s3: "S3Client", tags: dict[str, str]) -> Iterator[None]:
    """Deploy the template of the session's stack once more, for the bucket."""
    client: Any = system.cloud.client("cloudformation")
    packaged = (system.cloud.folder / "packaged.yaml").read_bytes()
    s3.put_object(Bucket=ARTIFACTS, Key="lake.yaml", Body=packaged)
    parameters = {
        "Model": f"s3://{ARTIFACTS}/model.pkl",
        "Image": "example.org/worker:1",
        "IdleSeconds": "1",
        "InputBucket": BUCKET,
        "InputPrefix": "in/",
        "OutputBucket": BUCKET,
        "OutputKey": "out",
    }
    client.create_stack(
        StackName=STACK,
        TemplateURL=f"{system.cloud.url}/{ARTIFACTS}/lake.yaml",
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        Tags=[{"Key": name, "Value": value} for name, value in tags.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    client.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
    try:
        yield
    finally:
        client.delete_stack(StackName=STACK)
        client.get_waiter("stack_delete_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})


def with_notifications(s3: "S3Client", sqs: "SQSClient") -> str:
    """Make the bucket, with a file and a queue that is sent every event; return the queue."""
    queue = sqs.create_queue(QueueName="lake-watch")["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    arn = found["Attributes"]["QueueArn"]
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="in/before.csv", Body=FLOWER)
    watch: Any = {"Id": "watch", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [watch]}
    )
    return queue


def keys(s3: "S3Client") -> set[str]:
    return {found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}


def notifications(s3: "S3Client") -> dict[str, Any]:
    answer = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def notified(sqs: "SQSClient", queue: str) -> set[str]:
    """Return the keys of the three objects of which the bucket has informed its own queue."""
    keys: set[str] = set()

    def complete() -> bool:
        for message in sqs.receive_message(QueueUrl=queue).get("Messages", []):
            records = json.loads(message["Body"]).get("Records", [])
            keys.update(record["s3"]["object"]["key"] for record in records)
        return len(keys) == 3

    eventually(complete)
    return keys


def test_a_bucket_with_notifications_of_its_own_is_read_and_written_and_is_as_before_at_the_end(
    system: System, account: Account, s3: "S3Client"
) -> None:
    sqs: SQSClient = system.cloud.client("sqs")
    queue = with_notifications(s3, sqs)
    before = notifications(s3)
    wiring = plan_wiring(account, BUCKET, "in/", stack=STACK)
    assert wiring is not None
    assert wiring.turns_on

    with deployed(system, s3, dict(wiring.tag)):
        apply(account, wiring)
        s3.put_object(Bucket=BUCKET, Key="beside.csv", Body=FLOWER)
        s3.put_object(Bucket=BUCKET, Key="in/a b.csv", Body=FLOWER)

        eventually(lambda: "out/in/a b.csv" in keys(s3))
        eventually(lambda: not [one for one in system.agent.live if f"/{STACK}/" in one.arn])
        stack = describe(account, STACK)
        assert stack is not None
        said = undo(account, stack)

    assert keys(s3) == {"in/before.csv", "beside.csv", "in/a b.csv", "out/in/a b.csv"}
    assert notified(sqs, queue) == {"beside.csv", "in/a+b.csv", "out/in/a+b.csv"}
    assert said.startswith(f"{BUCKET} sends its events to EventBridge no longer")
    assert notifications(s3) == before
