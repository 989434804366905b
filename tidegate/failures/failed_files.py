"""The files that failed: reports and dead letters joined, and grouped by cause."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tidegate.aws.asking import in_parallel
from tidegate.failures.dead_letters import Letter
from tidegate.failures.reports import Report, StackKeys, is_newer, newest_version
from worker.errors import NoSuchInput
from worker.job import S3Uri
from worker.jobs.announcing.failure_groups import group_name, mask

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

NO_REASON = "NoReason"
NO_REASON_MESSAGE = (
    "SQS gave the message up after the last receive that the queue allows, and no worker gave a "
    "reason. Often each of them was killed: see what TaskMemory allows"
)
NO_JOB = "NoJob"


@dataclass(frozen=True, slots=True)
class Failure:
    """One file that failed, with its report, its dead letters, or both."""

    input: S3Uri | None  # None: a dead letter that names no file
    job: Mapping[str, Any] | None
    error_type: str
    message: str
    time: datetime
    resolved: bool
    report: Report | None = None
    letters: Sequence[Letter] = ()
    deleted: bool = False  # there is no such input any more

    @property
    def closed(self) -> bool:
        """Return whether nothing is left to do.

        A file that failed because it was absent stays open: its message may name a wrong key.
        """
        return self.resolved or (self.deleted and self.error_type != NoSuchInput.__name__)

    @property
    def masked(self) -> str:
        """Return the message without what differs from file to file."""
        names = (str(self.input), self.input.key) if self.input else ()
        return mask(self.message, *names)

    @property
    def group(self) -> str:
        """Return the name of its group."""
        return group_name(self.error_type, self.masked)

    @property
    def redrives(self) -> int:
        """Return how often it was submitted again."""
        return int((self.job or {}).get("redrives") or 0)


@dataclass(frozen=True, slots=True)
class Group:
    """Failures of one cause, newest first."""

    name: str
    failures: Sequence[Failure] = field(repr=False)

    @property
    def newest(self) -> Failure:
        """Return the one that failed last."""
        return self.failures[0]

    @property
    def first_time(self) -> datetime:
        """Return when the first one failed."""
        return self.failures[-1].time


def grouped(failures: Iterable[Failure]) -> list[Group]:
    """Return the failures by cause: the group with the newest failure first."""
    groups: dict[str, list[Failure]] = {}
    for failure in sorted(failures, key=lambda one: one.time, reverse=True):
        groups.setdefault(failure.group, []).append(failure)
    return [Group(name, found) for name, found in groups.items()]


def joined(
    s3: "S3Client", layout: StackKeys, reports: Sequence[Report], letters: Sequence[Letter]
) -> list[Failure]:
    """Join each report with the dead letters of its job; letters without a report stand alone."""
    of_job: dict[tuple[str, ...], list[Letter]] = {}
    strange = [letter for letter in letters if letter.job is None]
    for letter in letters:
        if letter.job is not None:
            of_job.setdefault(_identity(letter.job), []).append(letter)
    found = [_of_report(report, of_job.pop(_identity(report.job), ())) for report in reports]
    found += in_parallel(partial(_of_letters, s3, layout), of_job.values())
    found = in_parallel(partial(_looked_for, s3), found)
    return found + [_of_stranger(letter) for letter in strange]


def _identity(job: Mapping[str, Any]) -> tuple[str, ...]:
    bucket, key, output_bucket = job["bucket"], job["key"], job["output_bucket"]
    return bucket, key, output_bucket, job["output_key"].removesuffix("/")


def _of_report(report: Report, letters: Sequence[Letter]) -> Failure:
    # The dead letter is the message itself, so it has the fields that a report may lack.
    job = {**(letters[0].job or {}), **report.job} if letters else report.job
    return Failure(
        input=report.input,
        job=job,
        error_type=report.error_type,
        message=report.message,
        time=report.listed.written,
        resolved=report.resolved,
        report=report,
        letters=letters,
    )


def _looked_for(s3: "S3Client", failure: Failure) -> Failure:
    """Say of a failure that no output resolves whether its input was deleted."""
    if failure.resolved or failure.input is None:
        return failure
    with suppress(ClientError, BotoCoreError):  # what S3 does not answer is not deleted
        return replace(failure, deleted=newest_version(s3, failure.input) is None)
    return failure


def _of_letters(s3: "S3Client", layout: StackKeys, letters: Sequence[Letter]) -> Failure:
    newest = max(letters, key=lambda one: one.sent)
    failure = _of_stranger(newest)
    assert newest.job is not None
    return replace(
        failure,
        letters=letters,
        resolved=is_newer(s3, layout.output_of(s3, newest.job), newest.sent),
    )


def _of_stranger(letter: Letter) -> Failure:
    no_reason = not letter.error_type
    return Failure(
        input=letter.input,
        job=letter.job,
        error_type=letter.error_type or (NO_REASON if letter.job else NO_JOB),
        message=letter.error_message
        or (NO_REASON_MESSAGE if no_reason and letter.job else letter.body),
        time=letter.sent,
        resolved=False,
        letters=[letter],
    )


def chosen(failures: Iterable[Failure], names: Sequence[str]) -> tuple[list[Failure], list[str]]:
    """Return the failures that the names choose, newest first, and the names that choose none.

    A name is that of a group, an error's type, a key, or an S3 URI.
    """
    newest_first = sorted(failures, key=lambda one: one.time, reverse=True)
    if not names:
        return newest_first, []
    found = [one for one in newest_first if any(_is_named(one, name) for name in names)]
    unknown = [name for name in names if not any(_is_named(one, name) for one in newest_first)]
    return found, unknown


def _is_named(failure: Failure, name: str) -> bool:
    if failure.input and name in {failure.input.key, str(failure.input)}:
        return True
    return name in {failure.group, failure.error_type}
