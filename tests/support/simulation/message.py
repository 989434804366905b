"""One message of a simulated queue."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.simulation.effects import now


@dataclass(slots=True)
class StoredMessage:
    """A message, until it is deleted; times are the loop's."""

    id: str
    body: str
    attributes: Mapping[str, Any]
    sent_at: float
    visible_at: float
    receives: int = 0
    first_received_at: float | None = None
    source: str | None = None  # the ARN of the queue that it was moved out of
    handles: dict[str, float] = field(
        default_factory=dict
    )  # all handles in this queue, and their times of receive
    usable: list[str] = field(
        default_factory=list
    )  # valid handles of the current receive; two after a duplicate

    @property
    def in_flight(self) -> bool:
        return self.visible_at > now()

    def is_held_by(self, handle: str) -> bool:
        """Return whether the handle is valid: of the current receive, in flight."""
        return self.in_flight and handle in self.usable

    def receive(self, handle: str, visibility_seconds: int) -> None:
        """Receive it; a duplicate receive does not shorten the time in flight."""
        self.usable = [*self.usable, handle] if self.in_flight else [handle]
        self.handles[handle] = now()
        self.visible_at = max(self.visible_at, now() + visibility_seconds)
        self.receives += 1
        if self.first_received_at is None:
            self.first_received_at = now()

    def moved(self, source: str) -> "StoredMessage":
        """Return the message as it is in the dead-letter queue: without handles."""
        return replace(self, source=source, visible_at=now(), handles={}, usable=[])

    def answer(self, system: Sequence[str], custom: Sequence[str]) -> dict[str, Any]:
        """Return its entry in a ReceiveMessage response, with these attributes."""
        answer: dict[str, Any] = {
            "MessageId": self.id,
            "ReceiptHandle": self.usable[-1],
            "Body": self.body,
            "MD5OfBody": md5(self.body),
        }
        if asked := _chosen(self._system_attributes(), system):
            answer["Attributes"] = asked
        if asked := _chosen(self.attributes, custom):
            answer["MessageAttributes"] = asked
        return answer

    def _system_attributes(self) -> dict[str, str]:
        assert self.first_received_at is not None
        source = {} if self.source is None else {"DeadLetterQueueSourceArn": self.source}
        return source | {
            "ApproximateReceiveCount": str(self.receives),
            "SentTimestamp": str(int(self.sent_at * 1000)),
            "ApproximateFirstReceiveTimestamp": str(int(self.first_received_at * 1000)),
        }


def md5(body: str) -> str:
    """Return a body's MD5 digest, as SQS does."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def _chosen(attributes: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    every = "All" in names
    return {name: value for name, value in attributes.items() if every or name in names}
