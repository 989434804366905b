"""Calls to SQS and S3, as the tests of both sides make them."""

import asyncio
import functools
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.support.conformance.sides import Side

md5 = functools.partial(hashlib.md5, usedforsecurity=False)


async def send(side: Side, queue: str, *bodies: str) -> list[str]:
    return [
        (await side.sqs.send_message(QueueUrl=queue, MessageBody=body))["MessageId"]
        for body in bodies
    ]


async def receive(side: Side, queue: str, **more: object) -> list[dict[str, Any]]:
    asked = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]} | more
    answer = await side.sqs.receive_message(QueueUrl=queue, **asked)
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


@asynccontextmanager
async def longest_poll(side: Side) -> AsyncIterator[Callable[[], bool]]:
    """Poll another, empty queue for SQS's 20 seconds. The value tells whether the poll still waits.

    What ends before that poll ended sooner than after 20 seconds, however slow the machine is.
    """
    poll = asyncio.create_task(receive(side, await side.queue(), WaitTimeSeconds=20))
    try:
        yield lambda: not poll.done()
    finally:
        poll.cancel()
        await asyncio.wait([poll])


async def handle_of_one(side: Side, queue: str, **more: object) -> str:
    """Send a message, receive it and return its receipt handle."""
    await send(side, queue, "one")
    (message,) = await receive(side, queue, **more)
    return str(message["ReceiptHandle"])


async def change(side: Side, queue: str, handle: str, seconds: int) -> None:
    await side.sqs.change_message_visibility(
        QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=seconds
    )


async def counts(side: Side, queue: str) -> tuple[int, int]:
    """Count the visible messages and the messages in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = await side.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
    visible, in_flight = (int(answer["Attributes"][name]) for name in names)
    return visible, in_flight


async def with_dead_letter_queue(side: Side, receives: int) -> tuple[str, str]:
    """Make a queue with that maxReceiveCount, and its dead-letter queue."""
    dead = await side.queue()
    answer = await side.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    arn = answer["Attributes"]["QueueArn"]
    policy = {"deadLetterTargetArn": arn, "maxReceiveCount": str(receives)}
    return await side.queue(RedrivePolicy=json.dumps(policy)), dead


def ids(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [entry["Id"] for entry in entries]


async def put(side: Side, bucket: str, key: str, body: bytes, **more: object) -> dict[str, Any]:
    answer: dict[str, Any] = await side.s3.put_object(Bucket=bucket, Key=key, Body=body, **more)
    return answer


async def get(side: Side, bucket: str, key: str, **more: object) -> bytes:
    answer = await side.s3.get_object(Bucket=bucket, Key=key, **more)
    async with answer["Body"]:
        body: bytes = await answer["Body"].read()
    assert len(body) == answer["ContentLength"]
    return body


async def started(side: Side, bucket: str, key: str, **more: object) -> dict[str, str]:
    """Start a multipart upload and return the arguments that identify it."""
    answer = await side.s3.create_multipart_upload(Bucket=bucket, Key=key, **more)
    return {"Bucket": bucket, "Key": key, "UploadId": answer["UploadId"]}


async def part(side: Side, upload: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
    answer = await side.s3.upload_part(**upload, PartNumber=number, Body=body)
    return {"PartNumber": number, "ETag": answer["ETag"]}


async def complete(
    side: Side, upload: dict[str, str], *parts: dict[str, Any], **more: object
) -> dict[str, Any]:
    answer: dict[str, Any] = await side.s3.complete_multipart_upload(
        **upload, MultipartUpload={"Parts": list(parts)}, **more
    )
    return answer


def etag(body: bytes) -> str:
    return f'"{md5(body).hexdigest()}"'
