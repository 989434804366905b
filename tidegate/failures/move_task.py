"""SQS's own redrive: a message move task takes all letters of a dead-letter queue back at once.

It cannot choose, and it counts nothing. So it is used where SQS itself has moved every letter that
is there, because no worker gave a reason: all others are submitted one by one.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tidegate.aws.asking import in_parallel
from tidegate.aws.errors import NO_OBJECT, AwsError, found
from tidegate.failures.dead_letters import Letter
from tidegate.failures.failed_files import Failure
from worker.job import Job, S3Uri
from worker.jobs.output_keys import cancelled_uri

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

POLL_SECONDS = 2.0
ACTIVE = frozenset({"RUNNING", "CANCELLING"})


def movable(
    s3: "S3Client",
    ready: Sequence[Failure],
    letters: Iterable[Letter],
    count: Callable[[], int],
) -> list[Failure]:
    """Return those of the failures that a move task may submit again; none if it moved others too.

    `letters` are all that were seen, and `count` asks SQS how many there are. Workers drop a
    message of a cancelled run, which one that is submitted by itself does not undergo.
    """
    moved = [one for one in ready if one.letters and one.report is None]
    seen = list(letters)
    chosen = {letter.id for one in moved for letter in one.letters}
    if {letter.id for letter in seen} != chosen or any(letter.error_type for letter in seen):
        return []
    if not moved or count() > len(seen) or _any_cancelled(s3, seen):
        return []
    return moved


def _any_cancelled(s3: "S3Client", letters: Iterable[Letter]) -> bool:
    marks = {cancelled_uri(Job.model_validate(one.job)) for one in letters} - {None}
    return any(in_parallel(partial(_is_there, s3), marks))


def _is_there(s3: "S3Client", uri: S3Uri | None) -> bool:
    assert uri is not None
    head = partial(s3.head_object, Bucket=uri.bucket, Key=uri.key)
    return found(head, *NO_OBJECT) is not None


def move_all(
    sqs: "SQSClient",
    source: str,
    destination: str,
    progress: Callable[[int], None],
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Have SQS move the letters from one queue to another, by their ARNs; return how many.

    The destination is named, as SQS does not know where a letter comes from that a worker has sent.
    Raises AwsError if another task is under way, or if the task fails.
    """
    before = _latest(sqs, source)
    if before.get("Status") in ACTIVE:
        raise AwsError(
            "SQS is moving these dead letters already, and takes one move at a time: "
            f"`aws sqs list-message-move-tasks --source-arn {source}` shows it"
        )
    sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
    while True:
        task = _latest(sqs, source)
        is_ours = task.get("StartedTimestamp") != before.get("StartedTimestamp")
        if is_ours:
            moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
            progress(moved)
            if task["Status"] == "COMPLETED":
                return moved
            if task["Status"] not in ACTIVE:
                reason = task.get("FailureReason", "somebody has cancelled it")
                raise AwsError(
                    f"SQS has moved {moved:,} dead letters and stopped: {reason}. The others are "
                    "where they were: `tidegate failures`"
                )
        sleep(POLL_SECONDS)


def _latest(sqs: "SQSClient", source: str) -> dict[str, Any]:
    results: Sequence[Any] = sqs.list_message_move_tasks(SourceArn=source).get("Results", [])
    return dict(results[0]) if results else {}
