"""Effects in the simulated services, for the checks of a schedule.

An effect is reported when it takes place, `at` the loop's time, even if the response is lost. Its
repr is the text of a timeline entry, which has the time of its own.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def now() -> float:
    """Return the running loop's time in seconds."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class Sent:
    queue: str
    message_id: str
    body: str
    attributes: Mapping[str, Any]  # MessageAttributes of the request
    at: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    queue: str
    message_id: str
    handle: str
    receive_count: int
    visible_at: float
    at: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deleted:
    queue: str
    message_id: str
    handle: str
    at: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class VisibilityChanged:
    queue: str
    message_id: str
    handle: str
    visible_at: float
    at: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """The redrive policy moved a message out of `queue`."""

    queue: str
    message_id: str
    at: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """A new current version; its ETag is without quotes, as in S3's own notifications."""

    bucket: str
    key: str
    version_id: str | None  # None where the bucket was never versioned
    etag: str
    body: bytes
    metadata: Mapping[str, str]
    at: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class Removed:
    """The current version was removed, and none was written in its place."""

    bucket: str
    key: str
    at: float = field(repr=False)


SqsEffect = Sent | Received | Deleted | VisibilityChanged | DeadLettered
S3Effect = Written | Removed


def ignore(_effect: SqsEffect | S3Effect) -> None:
    """Do nothing."""
