"""The messages of a run: one for each input, sent in batches, several batches at a time."""

import json
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tidegate.aws.errors import AwsError
from tidegate.aws.listing import Listed
from worker.errors import SettingsError
from worker.job import RUN_ID

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_sqs import SQSClient

BATCH_MESSAGES = 10  # the most that SQS takes in one call
BATCH_BYTES = 250_000  # of all bodies of a call: below the limit of every SQS
THREADS = 16  # calls at a time
ATTEMPTS = 8
MAX_PAUSE_SECONDS = 20.0  # full jitter


class NotSent(AwsError):
    """SQS did not take a message."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What the messages of one run have in common."""

    bucket: str
    output_bucket: str
    output_key: str
    run: str
    settings: Mapping[str, str] = field(default_factory=dict)
    again: bool = False

    def __post_init__(self) -> None:
        """Raise SettingsError for a run that the worker would refuse in each message."""
        if not re.fullmatch(RUN_ID, self.run):
            raise SettingsError(
                "a run is named by up to 64 letters, digits, full stops, hyphens and underscores "
                f"(it is {self.run!r})"
            )

    def body(self, source: Listed, *, again: bool = False) -> str:
        """Return the message of an input: the version that was listed is the one to read.

        `again` is for this input alone.
        """
        message: dict[str, Any] = {
            "bucket": self.bucket,
            "key": source.key,
            "output_bucket": self.output_bucket,
            "output_key": self.output_key,
            "etag": source.etag,
            "size": source.size,
            "run": self.run,
        }
        message |= {"settings": dict(self.settings)} if self.settings else {}
        message |= {"again": True} if self.again or again else {}
        return json.dumps(message)  # in ASCII: a key may hold characters that SQS refuses


@dataclass(frozen=True)
class Sender:
    """Sends messages to a queue.

    All messages of a `group` together get a fair share of the workers, however many there are: SQS
    lets the messages of others pass them.
    """

    sqs: "SQSClient"
    queue_url: str
    group: str
    pause: Callable[[float], None] = time.sleep

    def send(self, bodies: Iterable[str]) -> Iterator[int]:
        """Send all messages; yields the number of each batch that SQS has taken.

        Bodies are taken from the iterable as they are sent. Raises NotSent when a message is
        refused; other messages may have been sent by then.
        """
        with ThreadPoolExecutor(THREADS, thread_name_prefix="send") as senders:
            under_way: deque[Future[int]] = deque()
            for batch in batches(bodies):
                under_way.append(senders.submit(self._send_batch, batch))
                if len(under_way) > THREADS:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()

    def _send_batch(self, bodies: Sequence[str]) -> int:
        waiting = dict(enumerate(bodies))
        for attempt in range(ATTEMPTS):
            if attempt:
                longest = min(MAX_PAUSE_SECONDS, 2.0**attempt)
                self.pause(random.uniform(0, longest))  # noqa: S311 - jitter
            failures = self._attempt(waiting)
            if not failures:
                return len(bodies)
            waiting = {number: waiting[number] for number in failures}
        raise NotSent(f"SQS refused {len(waiting)} messages {ATTEMPTS} times: {_first(failures)}")

    def _attempt(self, waiting: Mapping[int, str]) -> dict[int, str]:
        """Make one call; return why, for each message that is to be sent again."""
        answer = self.sqs.send_message_batch(
            QueueUrl=self.queue_url,
            Entries=[
                {"Id": str(number), "MessageBody": body, "MessageGroupId": self.group}
                for number, body in waiting.items()
            ],
        )
        failures = answer.get("Failed", [])
        for failure in failures:
            if failure["SenderFault"]:
                body = waiting[int(failure["Id"])]
                raise NotSent(f"SQS refused a message: {_reason(failure)} ({body})")
        return {int(failure["Id"]): _reason(failure) for failure in failures}


def batches(bodies: Iterable[str]) -> Iterator[list[str]]:
    """Yield the bodies of each call: as many as SQS takes at once."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        if batch and (len(batch) == BATCH_MESSAGES or size + len(body) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += len(body)  # bodies are ASCII
    if batch:
        yield batch


def _reason(failure: Mapping[str, Any]) -> str:
    return f"{failure['Code']}: {failure.get('Message', '')}"


def _first(failures: Mapping[int, str]) -> str:
    return next(iter(failures.values()))
