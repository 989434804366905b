"""The seam to the queue: what the worker asks of messages, and the values in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from worker.job import Message

BATCH = 10  # the most that SQS takes or gives in one call


class EntryResult(Enum):
    """What became of one entry of a batch."""

    OK = "ok"
    REFUSED = "refused"  # the handle is no longer good: asking again is useless
    FAILED = "failed"  # ask again


@dataclass(frozen=True, slots=True)
class QueueFacts:
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
