"""The state of one simulated queue."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from tests.support.simulation.message import StoredMessage

LONGEST_SECONDS = 43_200  # twelve hours
LARGEST_MESSAGE_BYTES = 1 << 20
ACCOUNT = "000000000000"
ARN = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:"
URL = f"https://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/"
DEFAULTS = {"VisibilityTimeout": "30", "ReceiveMessageWaitTimeSeconds": "0"}
# A timer may fire slightly early, when nothing is due yet; later is always allowed.
LATE_SECONDS = 0.001


class Redrive(NamedTuple):
    """The redrive policy: the dead-letter queue, and the receives until then."""

    dead_letter_queue: str
    receives: int


@dataclass
class SimulatedQueue:
    """Messages in the order of their arrival; issued handles are never forgotten."""

    name: str
    attributes: dict[str, str]
    messages: dict[str, StoredMessage] = field(default_factory=dict)
    issued: dict[str, str] = field(default_factory=dict)  # handle to message id
    again: list[str] = field(default_factory=list)  # ids of messages to be delivered once more
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return URL + self.name

    @property
    def arn(self) -> str:
        return ARN + self.name

    @cached_property
    def redrive(self) -> Redrive | None:
        if "RedrivePolicy" not in self.attributes:
            return None
        policy = json.loads(self.attributes["RedrivePolicy"])
        return Redrive(
            policy["deadLetterTargetArn"].rsplit(":", 1)[-1], int(policy["maxReceiveCount"])
        )

    @property
    def max_message_bytes(self) -> int:
        """The bytes that body and attributes of a message may take together."""
        return int(self.attributes.get("MaximumMessageSize", LARGEST_MESSAGE_BYTES))

    def is_spent(self, message: StoredMessage) -> bool:
        """Return whether the next receive moves it to the dead-letter queue."""
        return self.redrive is not None and message.receives >= self.redrive.receives

    def seconds(self, attribute: str, asked: int | None) -> int:
        """Return the requested seconds, or else the queue's own."""
        return int(self.attributes[attribute]) if asked is None else asked

    def visible(self) -> list[StoredMessage]:
        return [message for message in self.messages.values() if not message.in_flight]

    def in_flight(self) -> list[StoredMessage]:
        return [message for message in self.messages.values() if message.in_flight]

    def deliver(self, message: StoredMessage, handle: str, visibility_seconds: int) -> None:
        message.receive(handle, visibility_seconds)
        self.issued[handle] = message.id

    def deliver_again(self, message_id: str) -> None:
        """Deliver a message to the next poll, also if it is in flight; both handles are valid."""
        self.again.append(message_id)
        self.changed()

    def due_again(self) -> list[StoredMessage]:
        """Return the messages in flight that are to be delivered once more, and forget them."""
        ids, self.again = self.again, []
        due = [self.messages[name] for name in dict.fromkeys(ids) if name in self.messages]
        return [one for one in due if one.in_flight and not self.is_spent(one)]

    def add(self, message: StoredMessage) -> None:
        self.messages[message.id] = message
        self.changed()

    def changed(self) -> None:
        """Wake every poll."""
        self._changed.set()

    async def change(self, until: float) -> None:
        """Wait until then at most for a message that is new or visible again."""
        self._changed.clear()
        due = min([until, *(message.visible_at for message in self.in_flight())])
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due + LATE_SECONDS):
                await self._changed.wait()

    def described(self) -> dict[str, str]:
        """Return every attribute, as GetQueueAttributes does."""
        in_flight = len(self.in_flight())
        return self.attributes | {
            "QueueArn": self.arn,
            "ApproximateNumberOfMessages": str(len(self.messages) - in_flight),
            "ApproximateNumberOfMessagesNotVisible": str(in_flight),
            "ApproximateNumberOfMessagesDelayed": "0",
        }
