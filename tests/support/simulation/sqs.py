"""A simulated SQS: standard queues behind the operations of aiobotocore's client.

It behaves as documented; where the documentation allows several behaviours, `SqsBehaviour` chooses.
Every operation takes effect at once: the network adds latency and loses responses.
"""

# ruff: noqa: N803 - the parameters have the client's names
import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.simulation.behaviour import ORDERLY, SqsBehaviour
from tests.support.simulation.delivery import Delivery
from tests.support.simulation.effects import (
    DeadLettered,
    Deleted,
    Received,
    Sent,
    SqsEffect,
    VisibilityChanged,
    ignore,
    now,
)
from tests.support.simulation.errors import refused
from tests.support.simulation.message import StoredMessage, md5
from tests.support.simulation.queue import ACCOUNT, DEFAULTS, SimulatedQueue
from tests.support.simulation.requests import PREFIX, check_message, check_receive
from tests.support.simulation.settling import Settling

__all__ = [
    "DeadLettered",
    "Deleted",
    "Received",
    "Sent",
    "SimulatedQueue",
    "SimulatedSqs",
    "SqsBehaviour",
    "SqsEffect",
    "StoredMessage",
    "VisibilityChanged",
]

Answer = dict[str, Any]  # shaped by botocore's models: what a key holds depends on the key


class SimulatedSqs:
    """An account's queues; `on_effect` is called with each effect on a message."""

    def __init__(self, randomness: random.Random, behaviour: SqsBehaviour = ORDERLY) -> None:
        self.queues: dict[str, SimulatedQueue] = {}
        self.on_effect: Callable[[SqsEffect], None] = ignore
        self._delivery = Delivery(self.queues, randomness, behaviour, self._report)
        self._settling = Settling(randomness, behaviour, self._report)
        self._numbers = itertools.count(1)

    async def create_queue(
        self, *, QueueName: str, Attributes: Mapping[str, str] | None = None
    ) -> Answer:
        asked = dict(Attributes or {})
        queue = self.queues.setdefault(QueueName, SimulatedQueue(QueueName, DEFAULTS | asked))
        if queue.attributes | asked != queue.attributes:
            raise refused("CreateQueue", "QueueAlreadyExists", "It has other attributes.")
        return {"QueueUrl": queue.url}

    async def get_queue_url(
        self, *, QueueName: str, QueueOwnerAWSAccountId: str = ACCOUNT
    ) -> Answer:
        if QueueOwnerAWSAccountId != ACCOUNT:
            raise _no_such_queue("GetQueueUrl")
        return {"QueueUrl": self._queue("GetQueueUrl", QueueName).url}

    async def get_queue_attributes(
        self, *, QueueUrl: str, AttributeNames: Sequence[str] = ()
    ) -> Answer:
        described = self._queue("GetQueueAttributes", QueueUrl).described()
        names = list(described) if "All" in AttributeNames else AttributeNames
        asked = {name: described[name] for name in names if name in described}
        return {"Attributes": asked} if asked else {}

    async def send_message(
        self,
        *,
        QueueUrl: str,
        MessageBody: str,
        MessageAttributes: Mapping[str, Any] | None = None,
    ) -> Answer:
        queue = self._queue("SendMessage", QueueUrl)
        attributes = dict(MessageAttributes or {})
        check_message(MessageBody, attributes, queue.max_message_bytes)
        name = f"message-{next(self._numbers)}"
        queue.add(StoredMessage(name, MessageBody, attributes, sent_at=now(), visible_at=now()))
        self._report(Sent(queue.name, name, MessageBody, attributes, now()))
        return {"MessageId": name, "MD5OfMessageBody": md5(MessageBody)}

    async def receive_message(
        self,
        *,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        WaitTimeSeconds: int | None = None,
        VisibilityTimeout: int | None = None,
        AttributeNames: Sequence[str] = (),
        MessageSystemAttributeNames: Sequence[str] = (),
        MessageAttributeNames: Sequence[str] = (),
    ) -> Answer:
        queue = self._queue("ReceiveMessage", QueueUrl)
        wait = queue.seconds("ReceiveMessageWaitTimeSeconds", WaitTimeSeconds)
        visibility = queue.seconds("VisibilityTimeout", VisibilityTimeout)
        check_receive(MaxNumberOfMessages, wait, visibility)
        delivered = await self._delivery.poll(queue, MaxNumberOfMessages, wait, visibility)
        system = [*AttributeNames, *MessageSystemAttributeNames]
        answers = [message.answer(system, MessageAttributeNames) for message in delivered]
        return {"Messages": answers} if answers else {}

    async def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> Answer:
        self._settling.delete(self._queue("DeleteMessage", QueueUrl), ReceiptHandle)
        return {}

    async def delete_message_batch(
        self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]
    ) -> Answer:
        operation = "DeleteMessageBatch"
        queue = self._queue(operation, QueueUrl)
        return self._settling.each(
            operation, Entries, lambda entry: self._settling.delete(queue, entry["ReceiptHandle"])
        )

    async def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> Answer:
        queue = self._queue("ChangeMessageVisibility", QueueUrl)
        self._settling.change(queue, ReceiptHandle, VisibilityTimeout)
        return {}

    async def change_message_visibility_batch(
        self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]
    ) -> Answer:
        operation = "ChangeMessageVisibilityBatch"
        queue = self._queue(operation, QueueUrl)
        return self._settling.each(
            operation,
            Entries,
            lambda entry: self._settling.change(
                queue, entry["ReceiptHandle"], entry["VisibilityTimeout"]
            ),
        )

    def _report(self, effect: SqsEffect) -> None:
        self.on_effect(effect)

    def _queue(self, operation: str, address: str) -> SimulatedQueue:
        name = address.rsplit("/", 1)[-1]
        if name not in self.queues:
            raise _no_such_queue(operation)
        return self.queues[name]


def _no_such_queue(operation: str) -> Exception:
    return refused(operation, PREFIX + "NonExistentQueue", "The queue does not exist.")
