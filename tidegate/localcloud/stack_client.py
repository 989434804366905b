"""A deployed stack as its users see it: upload files, read outputs, count messages."""

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

from tidegate.localcloud.cloud import Cloud
from tidegate.localcloud.stack import Stack

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

OUTPUT_PREFIX = "predictions"


def output_key(key: str) -> str:
    """Return the key of an input's output."""
    return f"{OUTPUT_PREFIX}/{key}"


def report_key(key: str) -> str:
    """Return the key of an input's failure report."""
    return f"{OUTPUT_PREFIX}/_failed/{key}.json"


class StackClient:
    """Reads and writes the buckets and queues of one stack."""

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
        """Return each key in the output bucket and how many times it was written."""
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

    async def send_again(self, key: str) -> None:
        """Send an input's message a second time, as SQS may deliver one twice."""
        await asyncio.to_thread(self._send_again, key)

    def _send_again(self, key: str) -> None:
        # The output's metadata has the source version that the first message named.
        source = self._s3.head_object(Bucket=self._stack.output_bucket, Key=output_key(key))
        known = {
            field: source["Metadata"].get(f"source-{field.replace('_', '-')}")
            for field in ("etag", "version_id", "sequencer")
        }
        message = {
            "bucket": self._stack.input_bucket,
            "key": key,
            "output_bucket": self._stack.output_bucket,
            "output_key": OUTPUT_PREFIX,
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
        """Return the input key of each message in the dead-letter queue, without deleting any."""
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
