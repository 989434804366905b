"""The queue on SQS: every call to SQS is made here, and its errors become the worker's own."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import ClientError

from worker.advice.answers import ACCESS_DENIED, explain, kms_refusal
from worker.advice.texts import Advice
from worker.aws.call_limits import (
    RECEIVE_ATTEMPTS,
    RECEIVE_READ_SECONDS,
    SQS_ATTEMPTS,
    SQS_READ_SECONDS,
    limited,
)
from worker.aws.clients import client_config, open_client
from worker.aws.errors import error_code
from worker.errors import FatalError, TransientError
from worker.job import Message
from worker.queue.address import check_address

if TYPE_CHECKING:  # the stubs are a development package
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import (
        ChangeMessageVisibilityBatchResultTypeDef,
        DeleteMessageBatchResultTypeDef,
        MessageTypeDef,
    )

log = structlog.get_logger()

BATCH_SIZE = 10  # SQS takes or returns at most this many messages in one call
MAX_MESSAGE_BYTES = 1 << 20  # body and attributes together; a queue may set less
EXCLUSIVE_WITHOUT_POLICY = 4  # receives
QUEUE_MISSING = frozenset({"NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"})
HANDLE_REFUSED = frozenset(
    {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"}
)


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """How often SQS delivers a message before it dead-letters the message; None: without limit."""

    max_receive_count: int | None

    def is_last(self, receive_count: int) -> bool:
        """Return whether SQS will not deliver the message again after this receive."""
        return self.max_receive_count is not None and receive_count >= self.max_receive_count

    def is_exclusive(self, receive_count: int) -> bool:
        """Return whether the job must run while no other job runs, as it may kill its process.

        These are the last two receives, so that not only the very last one is exclusive, but never
        the first receive.
        """
        if self.max_receive_count is None:
            return receive_count >= EXCLUSIVE_WITHOUT_POLICY
        return receive_count >= max(2, self.max_receive_count - 1)


class EntryResult(Enum):
    """The result of one entry of a batch call."""

    OK = "ok"
    REFUSED = "refused"  # the receipt handle is not valid any more: do not try again
    FAILED = "failed"  # try again


@dataclass(frozen=True, slots=True)
class QueueAttributes:
    """The attributes of the queue that the worker depends on."""

    name: str
    visibility_seconds: int
    max_receive_count: int | None
    dead_letter_queue: str | None  # its ARN


class SqsQueue:
    """A standard queue on SQS.

    Receives have a client of their own: each long poll occupies a connection while it waits, and
    heartbeats and deletes must not wait for a free connection.
    """

    def __init__(
        self,
        address: str,
        receive_client: "SQSClient",
        client: "SQSClient",
        visibility_seconds: int | None = None,
    ) -> None:
        self._address = address
        self._url = ""
        self._dead_letter_url: str | None = None
        self.dead_letter_bytes = MAX_MESSAGE_BYTES  # of a dead letter with its attributes, at most
        self._redrive = RedrivePolicy(None)
        self._kms_key: str | None = None  # by which SQS encrypts the messages
        self._receive_client = receive_client
        self._client = client
        # Sent only if the user set it: overriding the queue's own timeout by default surprises.
        self._override: dict[str, Any] = (
            {} if visibility_seconds is None else {"VisibilityTimeout": visibility_seconds}
        )

    async def read_attributes(self) -> QueueAttributes:
        """Find the queue and its dead-letter queue; raises FatalError if the queue is missing."""
        self._url = await _url_of(self._address, self._client)
        async with _call("read_attributes", f"reading the attributes of {self._address}"):
            response = await self._client.get_queue_attributes(
                QueueUrl=self._url,
                # By name, servers that are not AWS refuse those that they do not have.
                AttributeNames=["All"],
            )
            attributes = response.get("Attributes", {})
            if "VisibilityTimeout" not in attributes:
                raise TransientError(f"{self._address} has no attributes. {Advice.NOT_AWS.fill()}")
        self._kms_key = attributes.get("KmsMasterKeyId")
        policy = json.loads(attributes.get("RedrivePolicy", "{}"))
        dead_letter_queue = policy.get("deadLetterTargetArn")
        if dead_letter_queue is not None:
            self._dead_letter_url = await _url_of(dead_letter_queue, self._client)
            self.dead_letter_bytes = await self._read_dead_letter_bytes(
                _max_message_bytes(attributes)
            )
        max_receive_count = int(policy["maxReceiveCount"]) if policy else None
        self._redrive = RedrivePolicy(max_receive_count)
        return QueueAttributes(
            name=self._url.rsplit("/", 1)[-1],
            visibility_seconds=int(attributes["VisibilityTimeout"]),
            max_receive_count=max_receive_count,
            dead_letter_queue=dead_letter_queue,
        )

    async def _read_dead_letter_bytes(self, own_limit: int) -> int:
        """Read how many bytes a dead letter may take: as many as a redrive can send back, too.

        If the worker may not read the attributes of the dead-letter queue, its own queue's limit
        counts.
        """
        async with _call("read_attributes", "reading the attributes of the dead-letter queue"):
            try:
                response = await self._client.get_queue_attributes(
                    QueueUrl=self._dead_letter_url or "", AttributeNames=["MaximumMessageSize"]
                )
            except ClientError as error:
                if error_code(error) not in ACCESS_DENIED:
                    raise
                return own_limit
        return min(own_limit, _max_message_bytes(response.get("Attributes", {})))

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        """Long-poll for at most `limit` messages."""
        async with _call("receive", "receiving messages", wait_seconds, kms_key=self._kms_key):
            response = await self._receive_client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(limit, BATCH_SIZE),
                WaitTimeSeconds=wait_seconds,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                **self._override,
            )
        received = response.get("Messages", [])
        return [self._message(entry) for entry in received if _is_intact(entry)]

    def _message(self, entry: "MessageTypeDef") -> Message:
        attributes = entry.get("Attributes", {})
        receive_count = int(attributes.get("ApproximateReceiveCount", 1))
        sent = attributes.get("SentTimestamp")  # in milliseconds
        return Message(
            id=entry["MessageId"],
            receipt_handle=entry["ReceiptHandle"],
            body=entry["Body"],
            receive_count=receive_count,
            last_receive=self._redrive.is_last(receive_count),
            exclusive=self._redrive.is_exclusive(receive_count),
            sent=None if sent is None else int(sent) / 1000,
        )

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        """Delete up to ten messages; returns one result for each receipt handle."""
        async with _call("delete", "deleting messages"):
            response = await self._client.delete_message_batch(
                QueueUrl=self._url,
                # Positions as ids: a message that was delivered twice may be in one batch twice.
                Entries=[
                    {"Id": str(position), "ReceiptHandle": handle}
                    for position, handle in enumerate(handles)
                ],
            )
        return _entry_results(len(handles), response)

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        """Set the visibility timeout of up to ten messages; returns one result for each change.

        A change is a receipt handle and the seconds until the message is visible again.
        """
        async with _call("change_visibility", "changing visibility"):
            response = await self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(position), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
                    for position, (handle, seconds) in enumerate(changes)
                ],
            )
        return _entry_results(len(changes), response)

    async def send_to_dead_letters(self, body: str, attributes: Mapping[str, str]) -> bool:
        """Send a message to the dead-letter queue; returns False if the queue has none."""
        if self._dead_letter_url is None:
            return False
        async with limited("send_to_dead_letters", "sending to the dead-letter queue"):
            await self._client.send_message(
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
    """Open the clients for the queue of a name, URL or ARN; no call is made yet."""
    receives = client_config(
        connections=consumers,
        read_seconds=wait_seconds + RECEIVE_READ_SECONDS,
        attempts=RECEIVE_ATTEMPTS,
    )
    others = client_config(connections=50, read_seconds=SQS_READ_SECONDS, attempts=SQS_ATTEMPTS)
    async with (
        open_client("sqs", receives) as receive_client,
        open_client("sqs", others) as client,
    ):
        check_address(address, client.meta.region_name, client.meta.endpoint_url)
        yield SqsQueue(address, receive_client, client, visibility_seconds)


def _max_message_bytes(attributes: Mapping[Any, str]) -> int:
    return int(attributes.get("MaximumMessageSize", MAX_MESSAGE_BYTES))


async def _url_of(name: str, client: "SQSClient") -> str:
    if name.startswith(("https://", "http://")):
        return name
    async with _call("read_attributes", f"looking up the queue {name}"):
        if name.startswith("arn:"):
            account, queue = name.split(":")[-2:]
            response = await client.get_queue_url(QueueName=queue, QueueOwnerAWSAccountId=account)
        else:
            response = await client.get_queue_url(QueueName=name)
        if "QueueUrl" not in response:
            raise TransientError(f"the queue {name} has no URL. {Advice.NOT_AWS.fill()}")
    return response["QueueUrl"]


def _is_intact(entry: "MessageTypeDef") -> bool:
    """Compare the body with its MD5 digest; SQS delivers a damaged message again."""
    digest = hashlib.md5(entry["Body"].encode(), usedforsecurity=False).hexdigest()
    if entry.get("MD5OfBody", digest) == digest:
        return True
    log.warning("message damaged in transit", message_id=entry["MessageId"])
    return False


def _entry_results(
    count: int,
    response: "DeleteMessageBatchResultTypeDef | ChangeMessageVisibilityBatchResultTypeDef",
) -> list[EntryResult]:
    # An entry that the response does not name has failed: for a garbled response the SDK returns
    # an empty one.
    results = [EntryResult.FAILED] * count
    for done in response.get("Successful", []):
        results[int(done["Id"])] = EntryResult.OK
    for failed in response.get("Failed", []):
        if failed["Code"].removeprefix("AWS.SimpleQueueService.") in HANDLE_REFUSED:
            results[int(failed["Id"])] = EntryResult.REFUSED
    return results


@asynccontextmanager
async def _call(
    name: str, doing: str, wait_seconds: float = 0, *, kms_key: str | None = None
) -> AsyncIterator[None]:
    """Make a call under its time limit; a queue or key that is missing or denied is fatal."""
    async with limited(name, doing, wait_seconds=wait_seconds):
        try:
            yield
        except ClientError as error:
            code = error_code(error)
            text = explain(error, code, kms_key=kms_key)
            if kms_refusal(error, code):
                raise FatalError(f"{doing}: its KMS key cannot be used: {text}") from error
            if code in QUEUE_MISSING:
                raise FatalError(f"{doing}: the queue does not exist: {text}") from error
            if code in ACCESS_DENIED:
                raise FatalError(f"{doing}: access denied: {text}") from error
            raise
