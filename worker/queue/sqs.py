"""The queue on SQS: every call to SQS is made here, and its errors become the worker's own."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from botocore.exceptions import ClientError

from worker.aws import ACCESS_DENIED, code_of, config, map_errors, open_client
from worker.errors import FatalError
from worker.job import Message

if TYPE_CHECKING:  # stubs of a development package
    from types_aiobotocore_sqs.type_defs import (
        ChangeMessageVisibilityBatchResultTypeDef,
        DeleteMessageBatchResultTypeDef,
        MessageTypeDef,
    )
if TYPE_CHECKING:  # stubs of a development package
    from types_aiobotocore_sqs import SQSClient

BATCH = 10  # the most that SQS takes or gives in one call


class EntryResult(Enum):
    """What became of one entry of a batch."""

    OK = "ok"
    REFUSED = "refused"  # the handle is no longer good: asking again is useless
    FAILED = "failed"  # ask again


@dataclass(frozen=True, slots=True)
class QueueAttributes:
    """What the queue says of itself."""

    name: str
    visibility_seconds: int
    max_receive_count: int | None
    dead_letter_queue: str | None  # its ARN


class Queue(Protocol):
    """A queue as the worker uses it; batches are of ten entries at most."""

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Long-poll for at most `limit` messages."""

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        """Delete messages; one result for each handle."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        """Make messages visible again in so many seconds; one result for each."""

    async def dead_letter(self, body: str, attributes: Mapping[str, str]) -> bool:
        """Send to the dead-letter queue; False when the queue has none."""


log = structlog.get_logger()

HANDLE_REFUSED = frozenset(
    {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"}
)


def message(found: "MessageTypeDef") -> Message:
    """Read one message of a receive's answer."""
    return Message(
        id=found["MessageId"],
        receipt_handle=found["ReceiptHandle"],
        body=found["Body"],
        receive_count=int(found.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
    )


def is_intact(found: "MessageTypeDef") -> bool:
    """Compare a body with the digest beside it: what was damaged on the way comes again."""
    digest = hashlib.md5(found["Body"].encode(), usedforsecurity=False).hexdigest()
    if found.get("MD5OfBody", digest) == digest:
        return True
    log.warning("message damaged on its way", message_id=found["MessageId"])
    return False


def results(
    count: int,
    answer: "DeleteMessageBatchResultTypeDef | ChangeMessageVisibilityBatchResultTypeDef",
) -> list[EntryResult]:
    """Tell for each entry of a batch what became of it."""
    # What the answer does not name has failed: the SDK takes a garbled answer for an empty one.
    results = [EntryResult.FAILED] * count
    for done in answer.get("Successful", []):
        results[int(done["Id"])] = EntryResult.OK
    for entry in answer.get("Failed", []):
        if entry["Code"].removeprefix("AWS.SimpleQueueService.") in HANDLE_REFUSED:
            results[int(entry["Id"])] = EntryResult.REFUSED
    return results


LONGEST_CALL_SECONDS = 45.0  # three attempts of the client, and what they wait between
QUEUE_GONE = frozenset({"NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"})


class SqsQueue:
    """A standard queue on SQS.

    Polls have a client of their own: each holds a connection for as long as it waits, and must not
    keep heartbeats and deletes from theirs.
    """

    def __init__(
        self,
        address: str,
        polls: "SQSClient",
        calls: "SQSClient",
        visibility_seconds: int | None = None,
    ) -> None:
        self._address = address
        self._url = ""
        self._dead_letter_url: str | None = None
        self._polls = polls
        self._calls = calls
        # Only where it was asked for: a timeout other than the queue's own surprises.
        self._override: dict[str, Any] = (
            {} if visibility_seconds is None else {"VisibilityTimeout": visibility_seconds}
        )

    async def look(self) -> QueueAttributes:
        """Find the queue and its dead-letter queue; raises FatalError when there is none."""
        self._url = await _url_of(self._address, self._calls)
        async with _map_errors(f"reading the attributes of {self._address}"):
            answer = await self._calls.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["VisibilityTimeout", "RedrivePolicy"]
            )
        attributes = answer.get("Attributes", {})
        policy = json.loads(attributes.get("RedrivePolicy", "{}"))
        target = policy.get("deadLetterTargetArn")
        if target is not None:
            self._dead_letter_url = await _url_of(target, self._calls)
        return QueueAttributes(
            name=self._url.rsplit("/", 1)[-1],
            visibility_seconds=int(attributes["VisibilityTimeout"]),
            max_receive_count=int(policy["maxReceiveCount"]) if policy else None,
            dead_letter_queue=target,
        )

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Long-poll for at most `limit` messages."""
        async with _map_errors("receiving messages", wait_seconds + LONGEST_CALL_SECONDS):
            answer = await self._polls.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, BATCH),
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
                **self._override,
            )
        return [message(found) for found in answer.get("Messages", []) if is_intact(found)]

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        """Delete messages; one result for each handle."""
        async with _map_errors("deleting messages"):
            answer = await self._calls.delete_message_batch(
                QueueUrl=self._url,
                # Positions as ids: a message delivered twice may stand here twice.
                Entries=[
                    {"Id": str(position), "ReceiptHandle": handle}
                    for position, handle in enumerate(handles)
                ],
            )
        return results(len(handles), answer)

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        """Make messages visible again in so many seconds; one result for each."""
        async with _map_errors("changing visibility"):
            answer = await self._calls.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(position), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for position, (handle, seconds) in enumerate(changes)
                ],
            )
        return results(len(changes), answer)

    async def dead_letter(self, body: str, attributes: Mapping[str, str]) -> bool:
        """Send to the dead-letter queue; False when the queue has none."""
        if self._dead_letter_url is None:
            return False
        async with (
            map_errors("sending to the dead-letter queue"),
            asyncio.timeout(LONGEST_CALL_SECONDS),
        ):
            await self._calls.send_message(
                QueueUrl=self._dead_letter_url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )
        return True


@asynccontextmanager
async def open_queue(
    address: str, *, consumers: int, wait_seconds: int, visibility_seconds: int | None = None
) -> AsyncIterator[SqsQueue]:
    """Open the queue of a name, URL or ARN; nothing is asked of it yet."""
    patient = config(connections=consumers, read_seconds=wait_seconds + 10, attempts=1)
    brisk = config(connections=50, read_seconds=10, attempts=3)
    async with open_client("sqs", patient) as polls, open_client("sqs", brisk) as calls:
        yield SqsQueue(address, polls, calls, visibility_seconds)


async def _url_of(name: str, client: "SQSClient") -> str:
    if name.startswith(("https://", "http://")):
        return name
    async with _map_errors(f"looking up the queue {name}"):
        if name.startswith("arn:"):
            account, queue = name.split(":")[-2:]
            answer = await client.get_queue_url(QueueName=queue, QueueOwnerAWSAccountId=account)
        else:
            answer = await client.get_queue_url(QueueName=name)
    return answer["QueueUrl"]


@asynccontextmanager
async def _map_errors(doing: str, seconds: float = LONGEST_CALL_SECONDS) -> AsyncIterator[None]:
    """Translate as `map_errors` does; a queue that is gone or denied is fatal too.

    The client's own timeouts end a call sooner; nothing outlasts `seconds`.
    """
    async with map_errors(doing), asyncio.timeout(seconds):
        try:
            yield
        except ClientError as error:
            if code_of(error) in QUEUE_GONE:
                raise FatalError(f"{doing}: the queue does not exist: {error}") from error
            if code_of(error) in ACCESS_DENIED:
                raise FatalError(f"{doing}: access denied: {error}") from error
            raise
