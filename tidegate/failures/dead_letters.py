"""Dead letters: looked at without being taken, and held while some of them are deleted.

A letter that could not be held is not deleted. It is found by the next look.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tidegate.aws.asking import in_parallel
from worker.job import S3Uri

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_sqs import SQSClient

BATCH = 10
MOST_LOOKED_AT = 1000
HOLD_SECONDS = 300  # others see the letters again so long after a command that was killed
RECEIVES = 8  # at once
EMPTY_RECEIVES = 3  # one alone proves nothing: a receive asks some of SQS's servers


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the dead-letter queue."""

    id: str
    handle: str
    body: str
    job: Mapping[str, Any] | None  # the body, if it is a job
    error_type: str  # empty: SQS moved the message, and no worker gave a reason
    error_message: str
    sent: datetime
    receive_count: int  # by workers, before the message became a dead letter

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Read a message of ReceiveMessage's answer."""
        attributes = {
            name: found.get("StringValue", "")
            for name, found in message.get("MessageAttributes", {}).items()
        }
        system = message.get("Attributes", {})
        return cls(
            id=message["MessageId"],
            handle=message["ReceiptHandle"],
            body=message["Body"],
            job=_job(message["Body"]),
            error_type=attributes.get("error_type", ""),
            error_message=attributes.get("error_message", ""),
            sent=datetime.fromtimestamp(int(system.get("SentTimestamp", 0)) / 1000, UTC),
            receive_count=int(attributes.get("receive_count") or 0),
        )

    @property
    def input(self) -> S3Uri | None:
        """Return the file that the letter names."""
        return S3Uri(self.job["bucket"], self.job["key"]) if self.job else None


def _job(body: str) -> Mapping[str, Any] | None:
    """Return the body as a job; None for anything else that somebody may have sent."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    wanted = ("bucket", "key", "output_bucket", "output_key")
    return found if all(isinstance(found.get(name), str) for name in wanted) else None


def glance(sqs: "SQSClient", url: str) -> list[Letter]:
    """Return up to ten letters by one call, which leaves all of them visible."""
    return _receive(sqs, url, 0)


@contextmanager
def held(
    sqs: "SQSClient", url: str, *, most: int | None = None
) -> Iterator[tuple[list[Letter], Callable[[Iterable[Letter]], None]]]:
    """Hold the letters for the length of the block; yield them, and the function that deletes.

    Others do not see them meanwhile. What is not deleted is visible again at the end of the block.
    The function takes letters of an earlier look too: only the handles of the newest receive count.
    """
    letters: dict[str, Letter] = {}

    def delete(some: Iterable[Letter]) -> None:
        chosen = {one.id: letters.pop(one.id) for one in some if one.id in letters}
        _delete(sqs, url, list(chosen.values()))

    try:
        for letter in _all(sqs, url, most):
            letters[letter.id] = letter
        yield list(letters.values()), delete
    finally:
        _release(sqs, url, list(letters.values()))


def look(sqs: "SQSClient", url: str, most: int | None = MOST_LOOKED_AT) -> list[Letter]:
    """Return the letters, up to `most`; they stay, and are visible again at once."""
    with held(sqs, url, most=most) as (letters, _):
        return letters


def _all(sqs: "SQSClient", url: str, most: int | None) -> Iterator[Letter]:
    """Receive until nothing more comes, or until the first holds are half over."""
    deadline = time.monotonic() + HOLD_SECONDS / 2
    empty = found = 0
    while empty < EMPTY_RECEIVES and (most is None or found < most):
        if time.monotonic() > deadline:
            return
        receive = partial(_receive, sqs, url)
        answers = in_parallel(receive, [HOLD_SECONDS] * (RECEIVES if found else 1))
        some = [letter for letters in answers for letter in letters]
        yield from some
        found += len(some)
        empty = 0 if some else empty + 1


def _receive(sqs: "SQSClient", url: str, seconds: int) -> list[Letter]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=BATCH,
        VisibilityTimeout=seconds,
        WaitTimeSeconds=0,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    return [Letter.of(message) for message in answer.get("Messages", [])]


def _batches(letters: Sequence[Letter]) -> list[Sequence[Letter]]:
    return [letters[first : first + BATCH] for first in range(0, len(letters), BATCH)]


def _delete(sqs: "SQSClient", url: str, letters: Sequence[Letter]) -> None:
    """Delete letters; one that SQS does not delete is a letter still, and found again."""

    def delete(batch: Sequence[Letter]) -> None:
        entries = [
            {"Id": str(place), "ReceiptHandle": letter.handle} for place, letter in enumerate(batch)
        ]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type] # plain dicts

    in_parallel(delete, _batches(letters))


def _release(sqs: "SQSClient", url: str, letters: Sequence[Letter]) -> None:
    def release(batch: Sequence[Letter]) -> None:
        entries = [
            {"Id": str(place), "ReceiptHandle": letter.handle, "VisibilityTimeout": 0}
            for place, letter in enumerate(batch)
        ]
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)  # type: ignore[arg-type] # plain dicts

    in_parallel(release, _batches(letters))
