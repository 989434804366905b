"""A simulated SQS, as the dispatcher and the workers see it: messages, and counts that lag."""

# ruff: noqa: N803 - the arguments are boto3's
import json
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.waking.faults import Calls, Kind
from tests.waking.plan import Plan
from tests.waking.records import Records
from tests.waking.scheduler import START, Scheduler


@dataclass(eq=False, slots=True)
class Message:
    """A message, until it is deleted."""

    key: str
    is_visible: bool = True


@dataclass
class Queue:
    """The queue, which is also the dispatcher's client of SQS."""

    scheduler: Scheduler
    plan: Plan
    calls: Calls
    records: Records
    draw: random.Random
    arrived: Callable[[], None]
    counts_read: Callable[[int, int], None]
    messages: list[Message] = field(default_factory=list)
    # The counts over time: since when, visible messages, messages in flight.
    history: list[tuple[float, int, int]] = field(default_factory=lambda: [(START, 0, 0)])

    def receive(self, most: int) -> list[Message]:
        """Return up to that many visible messages, which are in flight then."""
        received = [message for message in self.messages if message.is_visible][: max(0, most)]
        for message in received:
            message.is_visible = False
        if received:
            self._count()
        return received

    def delete(self, message: Message) -> None:
        """Delete a message that is in flight."""
        self.messages.remove(message)
        self.records.done.add(message.key)
        self._count()

    def show(self, message: Message) -> None:
        """Make a message visible again."""
        message.is_visible = True
        self._count()
        self.arrived()

    def _count(self) -> None:
        visible = sum(message.is_visible for message in self.messages)
        self.history.append((self.scheduler.now, visible, len(self.messages) - visible))
        self.records.observe()

    # The operations that the dispatcher calls.

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        """Add messages; a fault may refuse some of them."""
        assert QueueUrl
        return self.calls.make("SendMessageBatch", lambda kind: self._send(Entries, kind))

    def _send(self, entries: list[dict[str, str]], kind: Kind | None) -> dict[str, Any]:
        failed = [
            entry for entry in entries if kind == "partly refused" and self.draw.random() < 0.5
        ]
        for entry in entries:
            if entry not in failed:
                message = Message(json.loads(entry["MessageBody"])["key"])
                self.messages.append(message)
                self.records.sent(message.key)
        self._count()
        self.arrived()
        refusal = {"Code": "InternalError", "SenderFault": False}
        return {"Failed": [{"Id": entry["Id"]} | refusal for entry in failed]}

    def list_queue_tags(self, **_: object) -> dict[str, dict[str, str]]:
        """Return no tags: a paused stack keeps no promise of waking."""
        return self.calls.make("ListQueueTags", lambda _: {})

    def get_queue_attributes(self, **_: object) -> dict[str, dict[str, str]]:
        """Return the counts, each as it was within the lag."""
        return self.calls.make("GetQueueAttributes", lambda _: self._counts())

    def _counts(self) -> dict[str, dict[str, str]]:
        self.counts_read(*self.history[-1][1:])
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(self._lagging()[1]),
                "ApproximateNumberOfMessagesNotVisible": str(self._lagging()[2]),
            }
        }

    def _lagging(self) -> tuple[float, int, int]:
        when = self.scheduler.now - self.draw.uniform(0, self.plan.counts_lag)
        return self.history[max(0, bisect_right(self.history, when, key=lambda one: one[0]) - 1)]

    def most(self, since: float) -> int:
        """Return the largest number of messages that a count since that time may have shown."""
        first = max(0, bisect_right(self.history, since, key=lambda one: one[0]) - 1)
        recent = self.history[first:]
        return max(one[1] for one in recent) + max(one[2] for one in recent)
