"""What goes into the deployed system and what comes out of it, seen from outside."""

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

from tidegate.localcloud.cloud import Cloud
from tidegate.localcloud.stack import Stack

if TYPE_CHECKING:
    # Stubs alone: these packages are not there outside development.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PREFIX = "predictions"
FAILED = "_failed"


def output_key(key: str) -> str:
    """Name the output of an input."""
    return f"{PREFIX}/{key}"


def report_key(key: str) -> str:
    """Name the failure report of an input."""
    return f"{PREFIX}/{FAILED}/{key}.json"


class Traffic:
    """The buckets and queues of one stack."""

    def __init__(self, cloud: Cloud, stack: Stack) -> None:
        self._stack = stack
        self._s3: S3Client = cloud.client("s3")
        self._sqs: SQSClient = cloud.client("sqs")

    async def upload(self, key: str, content: bytes) -> None:
        """Put a file into the input bucket."""
        await asyncio.to_thread(
            self._s3.put_object, Bucket=self._stack.input_bucket, Key=key, Body=content
        )

    async def outputs(self) -> dict[str, int]:
        """Return each key in the output bucket, with the number of times it was written."""
        return await asyncio.to_thread(self._outputs)

    def _outputs(self) -> dict[str, int]:
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._stack.output_bucket
        )
        return Counter(version["Key"] for page in pages for version in page.get("Versions", []))

    async def read(self, key: str) -> bytes:
        """Return the content of an object in the output bucket."""
        return await asyncio.to_thread(self._read, key)

    def _read(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=self._stack.output_bucket, Key=key)["Body"].read()

    async def deliver_again(self, key: str) -> None:
        """Send the message of an input a second time, as a queue may do by itself."""
        await asyncio.to_thread(self._deliver_again, key)

    def _deliver_again(self, key: str) -> None:
        # What the first delivery said is in the metadata of its output.
        source = self._s3.head_object(Bucket=self._stack.output_bucket, Key=output_key(key))
        known = {
            field: source["Metadata"].get(f"source-{field.replace('_', '-')}")
            for field in ("etag", "version_id", "sequencer")
        }
        message = {
            "bucket": self._stack.input_bucket,
            "key": key,
            "output_bucket": self._stack.output_bucket,
            "output_key": PREFIX,
            **{field: value for field, value in known.items() if value},
        }
        self._sqs.send_message(QueueUrl=self._stack.queue_url, MessageBody=json.dumps(message))

    async def waiting(self) -> int:
        """Count the messages in the queue, those in flight included."""
        return await asyncio.to_thread(self._waiting)

    def _waiting(self) -> int:
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._stack.queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return sum(int(count) for count in attributes.values())

    async def dead_letters(self) -> list[str]:
        """Return the input key of every message in the dead-letter queue, leaving it there."""
        return await asyncio.to_thread(self._dead_letters)

    def _dead_letters(self) -> list[str]:
        keys: list[str] = []
        while True:
            messages = self._sqs.receive_message(
                QueueUrl=self._stack.dead_letter_queue_url, MaxNumberOfMessages=10
            ).get("Messages", [])
            if not messages:
                return keys
            keys += [json.loads(message["Body"])["key"] for message in messages]
