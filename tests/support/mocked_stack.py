"""A stack's resources on moto, in the test's own process, and what workers leave in them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from tidegate.aws.account import Account
from worker.job import S3Uri
from worker.storage.provenance import InputVersion

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

NAME = "tide"
INPUT, OUTPUT = "tide-input", "tide-output"
WORKER_LOGS, DISPATCHER_LOGS = "/ecs/tide-worker", "/aws/lambda/tide-dispatcher"
DIGEST = "ab" * 32
PARAMETERS = {
    "Model": "s3://models/model.pkl",
    "ModelSha256": DIGEST,
    "WorkerSettings": "MAX_REJECTED=0.05",
    "Suffixes": ".csv,.parquet",
    "MaxTasks": "4",
    "TaskCpu": "1024",
    "TaskMemory": "4096",
    "Architecture": "X86_64",
    "Capacity": "FARGATE",
    "AssignPublicIp": "ENABLED",
    "ImageTag": "0123456789ab",
    "Image": "",
}
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class MockedStack:
    """A stack, and clients to see what a command did."""

    outputs: Mapping[str, str]
    s3: "S3Client"
    sqs: "SQSClient"
    logs: Any
    ecs: Any

    def put_input(self, key: str, content: bytes = b"id,a\n1,2\n") -> dict[str, str]:
        """Upload an input; return its message, as the dispatcher sends it."""
        answer = self.s3.put_object(Bucket=INPUT, Key=key, Body=content)
        return {
            "bucket": INPUT,
            "key": key,
            "output_bucket": OUTPUT,
            "output_key": "predictions",
            "etag": answer["ETag"].strip('"'),
            "version_id": answer["VersionId"],
            "sequencer": "0055AED6DCD90281E5",
        }

    def put_output(self, job: Mapping[str, str], *, minutes: float = 0, rows: int = 1) -> None:
        """Leave an output, written so many minutes after noon."""
        source = S3Uri(job["bucket"], job["key"])
        version = InputVersion(source, job["etag"], job["version_id"], job.get("sequencer"))
        key = f"{job['output_key']}/{job['key']}"
        metadata = version.metadata() | {"model-sha256": DIGEST, "rows": str(rows), "rejected": "0"}
        self.s3.put_object(Bucket=OUTPUT, Key=key, Body=b"id\n1\n", Metadata=metadata)
        written_at(OUTPUT, key, minutes)

    def fail(
        self,
        job: Mapping[str, Any],
        error_type: str = "Unparsable",
        message: str = "no table",
        *,
        minutes: float = 0,
        report: bool = True,
        letter: bool = True,
    ) -> None:
        """Leave the report and the dead letter of a failure so many minutes after noon."""
        if report:
            key = f"{job['output_key']}/_failed/{job['key']}.json"
            body = {
                "job": dict(job),
                "source": {"etag": job.get("etag"), "version_id": job.get("version_id")},
                "error_type": error_type,
                "message": message,
                "receive_count": 1,
                "model": {"uri": PARAMETERS["Model"], "sha256": DIGEST},
            }
            self.s3.put_object(Bucket=OUTPUT, Key=key, Body=json.dumps(body).encode())
            written_at(OUTPUT, key, minutes)
        if letter:
            self.bury(json.dumps(dict(job)), error_type=error_type, error_message=message)

    def bury(self, body: str, **attributes: str) -> None:
        """Send a dead letter."""
        self.sqs.send_message(
            QueueUrl=self.outputs["DeadLetterQueueUrl"],
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": text}
                for name, text in attributes.items()
            },
        )

    def log(
        self, group: str, *lines: Mapping[str, Any] | str, stream: str = "worker/worker/1"
    ) -> None:
        """Write log lines."""
        with suppress(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        now = int(datetime.now(UTC).timestamp() * 1000)
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[
                {"timestamp": now + place, "message": text} for place, text in enumerate(texts)
            ],
        )

    def waiting(self) -> list[dict[str, Any]]:
        """Take the messages from the job queue."""
        answer = self.sqs.receive_message(
            QueueUrl=self.outputs["QueueUrl"], MaxNumberOfMessages=10, WaitTimeSeconds=0
        )
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def letters(self) -> int:
        """Count the visible dead letters."""
        found = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs["DeadLetterQueueUrl"],
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def reports(self, output_key: str = "predictions") -> list[str]:
        """List the failure reports."""
        found = self.s3.list_objects_v2(Bucket=OUTPUT, Prefix=f"{output_key}/_failed/")
        return [one["Key"] for one in found.get("Contents", [])]


def written_at(bucket: str, key: str, minutes: float) -> None:
    """Change when an object was written, which a client cannot."""
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket].keys[key]
    found.last_modified = (NOON + timedelta(minutes=minutes)).replace(tzinfo=None)


def make_stack() -> MockedStack:
    """Make the resources, and a stack that names them."""
    clients: dict[str, Any] = {
        name: boto3.client(name, region_name="eu-west-1")
        for name in ("s3", "sqs", "ecs", "logs", "cloudformation")
    }
    for bucket in (INPUT, OUTPUT):
        clients["s3"].create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        clients["s3"].put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    queues = {
        output: clients["sqs"].create_queue(QueueName=f"{NAME}-{name}")["QueueUrl"]
        for output, name in (
            ("QueueUrl", "jobs"),
            ("DeadLetterQueueUrl", "dead-letters"),
            ("UndispatchedQueueUrl", "undispatched"),
        )
    }
    clients["ecs"].create_cluster(clusterName=NAME)
    definition = clients["ecs"].register_task_definition(
        family=f"{NAME}-worker",
        containerDefinitions=[{"name": "worker", "image": "w", "memory": 1}],
    )
    for group in (WORKER_LOGS, DISPATCHER_LOGS):
        clients["logs"].create_log_group(logGroupName=group)
    outputs = queues | {
        "InputBucket": INPUT,
        "OutputBucket": OUTPUT,
        "OutputKey": "predictions",
        "Cluster": NAME,
        "TaskDefinition": definition["taskDefinition"]["taskDefinitionArn"],
        "DispatcherFunction": f"{NAME}-dispatcher",
        "WorkerLogGroup": WORKER_LOGS,
        "DispatcherLogGroup": DISPATCHER_LOGS,
        "RepositoryUri": f"1.dkr.ecr.eu-west-1.amazonaws.com/{NAME}-worker",
    }
    _stack(clients["cloudformation"], outputs)
    return MockedStack(outputs, clients["s3"], clients["sqs"], clients["logs"], clients["ecs"])


def _stack(cloudformation: "CloudFormationClient", outputs: Mapping[str, str]) -> None:
    """Make a stack with these outputs; the topic is there because a stack needs a resource."""
    template = {
        "Description": "Tidegate: a stack for tests.",
        "Parameters": {name: {"Type": "String", "Default": ""} for name in PARAMETERS},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    parameters: list[ParameterTypeDef] = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()
    ]
    cloudformation.create_stack(
        StackName=NAME, TemplateBody=json.dumps(template), Parameters=parameters
    )


def deny(
    patch: pytest.MonkeyPatch, *services: str, code: str = "AccessDenied", operation: str = ""
) -> None:
    """Have AWS refuse every call to these services, or those of one operation."""
    make = Account.client
    event = f"before-call.{services[0]}.{operation}" if operation else "before-call"

    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "Asked")

    def client(account: Account, service: str) -> object:
        made = make(account, service)
        if service in services:
            made.meta.events.register(event, refuse)
        return made

    patch.setattr(Account, "client", client)
