"""SQS, as far as the dispatcher and a fleet see it: messages, and counts that lag behind."""

# ruff: noqa: N803 - the arguments are boto3's
import json
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.waking.books import Books
from tests.waking.faults import Calls, Kind
from tests.waking.plan import Plan
from tests.waking.stage import START, Stage


@dataclass(eq=False, slots=True)
class Message:
    """A message, until it is deleted."""

    key: str
    is_visible: bool = True


@dataclass
class Queue:
    """The queue, and the client that the dispatcher has of it."""

    stage: Stage
    plan: Plan
    calls: Calls
    books: Books
    draw: random.Random
    arrived: Callable[[], None]
    looked: Callable[[int, int], None]
    messages: list[Message] = field(default_factory=list)
    # The counts as they were: since when, how many visible, how many in flight.
    history: list[tuple[float, int, int]] = field(default_factory=lambda: [(START, 0, 0)])

    def receive(self, most: int) -> list[Message]:
        """Hand out messages, which are in flight from now on."""
        received = [message for message in self.messages if message.is_visible][: max(0, most)]
        for message in received:
            message.is_visible = False
        if received:
            self._count()
        return received

    def delete(self, message: Message) -> None:
        """Delete a message that is in flight."""
        self.messages.remove(message)
        self.books.done.add(message.key)
        self._count()

    def show(self, message: Message) -> None:
        """Make a message visible again."""
        message.is_visible = True
        self._count()
        self.arrived()

    def _count(self) -> None:
        visible = sum(message.is_visible for message in self.messages)
        self.history.append((self.stage.now, visible, len(self.messages) - visible))
        self.books.observe()

    # What the dispatcher calls.

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:
        """Take messages in, all or some of them."""
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
                self.books.sent(message.key)
        self._count()
        self.arrived()
        refusal = {"Code": "InternalError", "SenderFault": False}
        return {"Failed": [{"Id": entry["Id"]} | refusal for entry in failed]}

    def get_queue_attributes(self, **_: object) -> dict[str, dict[str, str]]:
        """Count messages, each count as it was some time ago."""
        return self.calls.make("GetQueueAttributes", lambda _: self._counts())

    def _counts(self) -> dict[str, dict[str, str]]:
        self.looked(*self.history[-1][1:])
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(self._lagging()[1]),
                "ApproximateNumberOfMessagesNotVisible": str(self._lagging()[2]),
            }
        }

    def _lagging(self) -> tuple[float, int, int]:
        when = self.stage.now - self.draw.uniform(0, self.plan.counts_lag)
        return self.history[max(0, bisect_right(self.history, when, key=lambda one: one[0]) - 1)]

    def most(self, since: float) -> int:
        """Count the most messages that there were, as the counts may have told, since a time."""
        first = max(0, bisect_right(self.history, since, key=lambda one: one[0]) - 1)
        recent = self.history[first:]
        return max(one[1] for one in recent) + max(one[2] for one in recent)
