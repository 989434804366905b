"""Submit failed files again: first the messages, then what told of the failure is cleared.

Each file has a message of its own, made from its report or its dead letter. SQS's own redrive moves
all letters or none, in any order, and refuses those that a worker has sent unless the destination
is named; here some can go first, and what cannot be a job stays. The order is such that a command
that is killed leaves a file submitted twice at worst, which does no harm.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from tidegate.aws.account import Account
from tidegate.aws.asking import in_parallel
from tidegate.aws.stack import DeployedStack
from tidegate.failures.dead_letters import Letter
from tidegate.failures.failed_files import Failure
from tidegate.failures.reports import clear, newest_version
from worker.errors import TidegateError

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

BATCH = 10
GROUP = "redrive"  # SQS lets the messages of files that land now pass those of one large group
SEND_ATTEMPTS = 3
OF_A_VERSION = frozenset({"version_id", "etag", "size", "sequencer"})

DeleteLetters = Callable[[Iterable[Letter]], None]


@dataclass(slots=True)
class Redriven:
    """What became of the failures that were to go again."""

    sent: list[Failure] = field(default_factory=list)
    gone: list[Failure] = field(default_factory=list)  # their input is deleted
    refused: list[tuple[Failure, str]] = field(default_factory=list)  # by SQS, with its reason


@dataclass(frozen=True, slots=True)
class Redrive:
    """Submits failures to a stack's queue."""

    s3: "S3Client"
    sqs: "SQSClient"
    queue_url: str
    output_bucket: str
    delete_letters: DeleteLetters

    @classmethod
    def of(cls, account: Account, stack: DeployedStack, delete_letters: DeleteLetters) -> Self:
        """Read the addresses from the stack's outputs."""
        queue, bucket = stack.outputs["QueueUrl"], stack.outputs["OutputBucket"]
        return cls(account.client("s3"), account.client("sqs"), queue, bucket, delete_letters)

    def run(self, failures: Sequence[Failure], progress: Callable[[int], None]) -> Redriven:
        """Submit failures in batches; `progress` is given how many are through."""
        result = Redriven()
        for first in range(0, len(failures), BATCH * BATCH):
            some = failures[first : first + BATCH * BATCH]
            bodies = in_parallel(partial(again, self.s3), some)
            result.gone += [one for one, body in zip(some, bodies, strict=True) if body is None]
            ready = [(one, body) for one, body in zip(some, bodies, strict=True) if body]
            for start in range(0, len(ready), BATCH):
                self._submit(ready[start : start + BATCH], result)
            progress(first + len(some))
        return result

    def _submit(self, ready: Sequence[tuple[Failure, str]], result: Redriven) -> None:
        refused = _send(self.sqs, self.queue_url, [body for _, body in ready])
        sent = [one for place, (one, _) in enumerate(ready) if place not in refused]
        result.sent += sent
        result.refused += [(ready[place][0], why) for place, why in refused.items()]
        self.clear(sent)

    def clear(self, failures: Iterable[Failure]) -> None:
        """Delete the dead letters and the reports of failures that are resolved or submitted."""
        failures = list(failures)
        self.delete_letters([letter for one in failures for letter in one.letters])
        reports = [one.report.listed for one in failures if one.report is not None]
        in_parallel(partial(clear, self.s3, self.output_bucket), reports)


def again(s3: "S3Client", failure: Failure) -> str | None:
    """Return the message for the newest version of a failed file; None if the file is deleted."""
    assert failure.job is not None
    assert failure.input is not None
    current = newest_version(s3, failure.input)
    if current is None:
        return None
    same = (current.etag, current.version_id) == _version_of(failure.job)
    kept = {
        name: value
        for name, value in failure.job.items()
        if value is not None and (same or name not in OF_A_VERSION)
    }
    version = {"etag": current.etag, "version_id": current.version_id}
    known = {name: value for name, value in version.items() if value not in (None, "", "null")}
    return json.dumps({**kept, **known, "redrives": failure.redrives + 1})


def _version_of(job: Mapping[str, Any]) -> tuple[str, str | None]:
    return str(job.get("etag") or "").strip('"'), job.get("version_id")


def _send(sqs: "SQSClient", url: str, bodies: Sequence[str]) -> dict[int, str]:
    """Send up to ten messages; return the places of those that SQS refused, with its reason."""
    waiting, refused = dict(enumerate(bodies)), dict[int, str]()
    for _ in range(SEND_ATTEMPTS):
        answer = sqs.send_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(place), "MessageBody": body, "MessageGroupId": GROUP}
                for place, body in waiting.items()
            ],
        )
        failed = {int(one["Id"]): one for one in answer.get("Failed", [])}
        refused |= {
            place: one.get("Message", one["Code"])
            for place, one in failed.items()
            if one["SenderFault"]
        }
        waiting = {place: waiting[place] for place in failed if place not in refused}
        if not waiting:
            break
    return refused | dict.fromkeys(waiting, "SQS did not take it")


def require_jobs(failures: Sequence[Failure]) -> list[Failure]:
    """Return those that can go again; raises TidegateError if none can."""
    jobs = [one for one in failures if one.job is not None]
    if failures and not jobs:
        raise TidegateError(
            "these dead letters are no jobs, and can never be predicted: send what they hold "
            "through the dispatcher (docs/dispatcher-events.md), or delete them"
        )
    return jobs
