"""One file's whole story: its versions, its output, its failure, its log lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from tidegate.aws.account import Account
from tidegate.aws.asking import Answer, Asking, asking
from tidegate.aws.errors import NO_OBJECT, found
from tidegate.aws.stack import DeployedStack
from tidegate.failures import dead_letters
from tidegate.failures.dead_letters import Letter
from tidegate.failures.reports import Listed, Report, StackKeys, read
from tidegate.operating import queues
from tidegate.operating.log_lines import Line, LogReader, groups_of, last
from tidegate.operating.queues import Messages
from tidegate.operating.run_records import Target
from worker.job import Job, S3Uri
from worker.jobs.output_keys import report_key
from worker.jobs.rejected_rows import rejects_of
from worker.storage.provenance import InputVersion

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client

MOST_LINES = 50
MOST_VERSIONS = 20
MOST_LOGS = timedelta(days=7)  # a search of more takes minutes
EPOCH = datetime.min.replace(tzinfo=UTC)

State = Literal["predicted", "outdated", "failed", "waiting", "no job", "deleted", "unknown"]
SERVICES = ("s3", "sqs", "logs")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the input, or its deletion."""

    id: str
    etag: str
    written: datetime
    size: int
    newest: bool
    deleted: bool


@dataclass(frozen=True, slots=True)
class Output:
    """An output, with what its metadata says."""

    uri: S3Uri
    written: datetime
    size: int
    metadata: Mapping[str, str]
    rejected_rows: S3Uri | None  # the file of rows that were set aside


@dataclass(frozen=True, slots=True)
class Attempt:
    """A worker's attempt at a file."""

    task: str
    number: int


@dataclass(frozen=True, slots=True)
class Result:
    """What was made of a file in one place."""

    output: Output | None = None
    report: Report | None = None

    @property
    def is_there(self) -> bool:
        """Return whether anything was made."""
        return self.output is not None or self.report is not None


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one file; None is what could not be asked, and `unanswered` says why."""

    input: S3Uri
    versions: Sequence[Version] | None
    no_job: str  # why the dispatcher ignores it; empty if it is a job
    output: Output | None
    report: Report | None
    elsewhere: Sequence[Result]  # of runs that write to other places
    letters: Sequence[Letter] | None
    jobs: Messages | None
    lines: Sequence[Line] | None
    unanswered: Sequence[str]

    @property
    def last_attempt(self) -> Attempt | None:
        """Return which worker had the file last, as far as the log lines say it."""
        of_workers = [one for one in self.lines or () if one.task and "receive_count" in one.fields]
        if not of_workers:
            return None
        return Attempt(of_workers[-1].task, int(of_workers[-1].fields["receive_count"]))

    @property
    def newest(self) -> Version | None:
        """Return the newest version of the input, deleted or not."""
        return next((one for one in self.versions or () if one.newest), None)

    @property
    def state(self) -> State:
        """Return what became of the newest version."""
        if self.versions is None:
            return "unknown"
        if self.newest is None or self.newest.deleted:
            return "deleted"
        if self._is_predicted(self.newest):
            return "predicted"
        if self._is_reported(self.newest) or self._is_dead(self.newest):
            return "failed"
        if self.no_job:
            return "no job"
        return "outdated" if self.output is not None else "waiting"

    def _is_predicted(self, newest: Version) -> bool:
        if self.output is None:
            return False
        version = InputVersion(self.input, newest.etag, newest.id, sequencer=None)
        return version.is_recorded_in(self.output.metadata)

    def _is_reported(self, newest: Version) -> bool:
        report = self.report
        if report is None or report.resolved:
            return False
        return (
            report.etag == newest.etag if report.etag else report.listed.written >= newest.written
        )

    def _is_dead(self, newest: Version) -> bool:
        """Return whether a dead letter names the version: a killed worker reports nothing."""
        jobs = [letter.job for letter in self.letters or () if letter.job]
        return any(str(job.get("etag") or "").strip('"') == newest.etag for job in jobs)


def tell(
    account: Account,
    stack: DeployedStack,
    source: S3Uri,
    *,
    elsewhere: Sequence[Target] = (),
    log_lines: int,
) -> Story:
    """Ask everything about one file at once; `elsewhere` are the places of runs."""
    clients = {name: account.client(name) for name in SERVICES}  # not while threads run
    with asking() as ask:
        asked = _Asked.of(ask, clients, stack, source, elsewhere)
        versions = asked.versions.get()
        reader = LogReader(clients["logs"], groups_of(stack.outputs), source)
        since = _since(versions)
        lines = ask.ask("log lines", lambda: last(reader.new_since(since), log_lines)).get()
        if reader.cut:
            ask.unanswered.append("log lines: not all of them were searched")
        letters = asked.letters.get()
        return Story(
            input=source,
            versions=versions,
            no_job=_no_job(stack, source),
            output=asked.output.get(),
            report=asked.report.get(),
            elsewhere=[one for answer in asked.elsewhere if (one := answer.get()) and one.is_there],
            letters=letters and [one for one in letters if one.input == source],
            jobs=asked.jobs.get(),
            lines=lines,
            unanswered=ask.unanswered,
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The questions that are under way."""

    versions: Answer[list[Version]]
    output: Answer[Output | None]
    report: Answer[Report | None]
    elsewhere: Sequence[Answer[Result]]
    letters: Answer[list[Letter]]
    jobs: Answer[Messages]

    @classmethod
    def of(
        cls,
        ask: Asking,
        clients: Mapping[str, Any],
        stack: DeployedStack,
        source: S3Uri,
        elsewhere: Sequence[Target],
    ) -> Self:
        """Begin all calls but those for log lines, which need the time of the newest version."""
        s3, sqs, out = clients["s3"], clients["sqs"], stack.outputs
        layout = StackKeys.of(stack)
        own = Target(layout.prefix, {})
        look = partial(dead_letters.look, sqs, out["DeadLetterQueueUrl"])
        result = partial(_result, s3, layout, source)
        return cls(
            ask.ask("versions of the input", partial(read_versions, s3, source)),
            ask.ask("the output", partial(_output, s3, layout, source, own)),
            ask.ask("the failure report", partial(_report, s3, layout, source, own)),
            [
                ask.ask(f"what is below {one.output_key}/", partial(result, one))
                for one in elsewhere
            ],
            ask.ask("dead letters", look),
            ask.ask("the queue", partial(queues.count, sqs, out["QueueUrl"])),
        )


def source_of(stack: DeployedStack, name: str, elsewhere: Sequence[Target] = ()) -> S3Uri:
    """Return the input that a name means: a key, or the URI of an input, output or report."""
    own = StackKeys.of(stack)
    if not name.startswith("s3://"):
        return S3Uri(stack.outputs["InputBucket"], name)
    bucket, _, key = name.removeprefix("s3://").partition("/")
    layouts = [own, *(own.below(one.output_key) for one in elsewhere)]
    for layout in sorted(layouts, key=lambda one: len(one.own), reverse=True):
        if bucket == layout.bucket and key.startswith(layout.own):
            return S3Uri(stack.outputs["InputBucket"], _input_key(layout, key))
    return S3Uri(bucket, key)


def _input_key(layout: StackKeys, key: str) -> str:
    """Return the key of the input that an output or a report is of."""
    if layout.is_report(key) and key.startswith(layout.reports_prefix):
        return key.removeprefix(layout.reports_prefix).removesuffix(".json")
    return key.removeprefix(layout.own)


def read_versions(s3: "S3Client", source: S3Uri) -> list[Version]:
    """Return the newest versions of an object, newest first."""
    answer = s3.list_object_versions(
        Bucket=source.bucket, Prefix=source.key, MaxKeys=10 * MOST_VERSIONS
    )
    listed: list[Mapping[str, Any]] = [
        *answer.get("Versions", []),
        *answer.get("DeleteMarkers", []),
    ]
    found = [_version(one) for one in listed if one["Key"] == source.key]
    found.sort(key=lambda one: (one.newest, one.written), reverse=True)
    return found[:MOST_VERSIONS]


def _version(one: Mapping[str, Any]) -> Version:
    return Version(
        id=one.get("VersionId", "null"),
        etag=one.get("ETag", "").strip('"'),
        written=one["LastModified"],
        size=one.get("Size", 0),
        newest=one["IsLatest"],
        deleted="ETag" not in one,
    )


def _body(layout: StackKeys, source: S3Uri, target: Target) -> dict[str, Any]:
    return {
        "bucket": source.bucket,
        "key": source.key,
        "output_bucket": layout.bucket,
        "output_key": target.output_key,
        "settings": dict(target.settings),
    }


def _result(s3: "S3Client", layout: StackKeys, source: S3Uri, target: Target) -> Result:
    return Result(_output(s3, layout, source, target), _report(s3, layout, source, target))


def _output(s3: "S3Client", layout: StackKeys, source: S3Uri, target: Target) -> Output | None:
    uri = layout.output_of(s3, _body(layout, source, target))
    if uri is None:
        return None
    head = found(lambda: s3.head_object(Bucket=uri.bucket, Key=uri.key), *NO_OBJECT)
    if head is None:
        return None
    rejects = rejects_of(uri)
    has_rejects = found(lambda: s3.head_object(Bucket=rejects.bucket, Key=rejects.key), *NO_OBJECT)
    return Output(
        uri,
        head["LastModified"],
        head["ContentLength"],
        head["Metadata"],
        rejects if has_rejects else None,
    )


def _report(s3: "S3Client", layout: StackKeys, source: S3Uri, target: Target) -> Report | None:
    job = Job.model_validate(_body(layout, source, target))
    key = report_key(layout.failure_template, job)
    return read(s3, layout, Listed(key, "", EPOCH))


def _since(versions: Sequence[Version] | None) -> datetime:
    """Return when to begin to search the logs: when the newest version landed."""
    earliest = datetime.now(UTC) - MOST_LOGS
    landed = [one.written for one in versions or () if one.newest]
    return max([earliest, *landed])


def _no_job(stack: DeployedStack, source: S3Uri) -> str:
    """Return why the dispatcher makes no job of a file; empty if it makes one."""
    layout = StackKeys.of(stack)
    if source.bucket == layout.bucket and source.key.startswith(layout.own):
        return "it is an output of this stack"
    if not source.key.startswith(prefix := stack.outputs.get("InputPrefix", "")):
        return f"it is not below {prefix}"
    if source.key.endswith("/"):
        return "its name is that of a folder"
    suffixes = stack.parameters.get("Suffixes", "")
    given = tuple(part.strip() for part in suffixes.lower().split(",") if part.strip())
    if given and not source.key.lower().endswith(given):
        return f"its name ends in none of {suffixes}"
    return ""
