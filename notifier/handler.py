"""The notifier: notices of new failures and of runs that ended, and a digest of the rest.

One self-contained file, so that Lambda needs nothing but its own boto3. The sections stand in the
order in which an event passes through them: entry point, settings, notifier, file events, runs,
notices, S3.
"""

import functools
import gzip
import hashlib
import json
import os
import re
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PREFIX = "NOTIFIER_"
SOURCE = "tidegate"
EVENT_VERSION = 1
RUNS = "_runs/"  # below the output key, where the command line keeps its runs
NOTICES = f"{RUNS}_notices/"
REQUEST, ALL_SENT, SUMMARY, CANCELLED = "request.json", "sent.json", "summary.json", "cancelled"
ANNOUNCED = "announced.json"  # beside the summary of a run whose end was announced
PART = re.compile(r"sent/\d+-(\d+)\.jsonl\.gz")
RUN = re.compile(r"[A-Za-z0-9._-]{1,64}")
RECENT = timedelta(days=5)  # a message lives for four days
JUST_ENDED = timedelta(hours=1)
MOST_FILES = 2_000_000  # of one run: more do not fit into the function's memory
TAKERS = 16  # threads that take file events from their queue
DELETE_ATTEMPTS = 3
FOR_RUNS_SECONDS = 300  # of the invocation, for everything but taking file events
SPARE_SECONDS = 10  # of the invocation, after the last listing
MOST_SUBJECT, MOST_MESSAGE, MOST_GROUPS = 99, 500, 20
EXISTS = {"PreconditionFailed", "412", "ConditionalRequestConflict"}
ABSENT = {"NoSuchKey", "404"}
Facts = Mapping[str, Any]


class SettingsError(Exception):
    """A NOTIFIER_ variable is missing."""


class NotSent(Exception):
    """EventBridge did not take an event, so Lambda must retry."""


class OutOfTime(Exception):
    """A run has more outputs and reports below its prefix than one invocation can list."""


# -------------------------------------------------------------------------------------- entry point


class Invocation(Protocol):
    """What the notifier uses of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation."""


def handler(event: Mapping[str, Any], context: Invocation | None) -> None:
    """Lambda's entry point."""
    seconds = context.get_remaining_time_in_millis() / 1000 if context else float("inf")
    _notifier().handle(event, time.monotonic() + seconds - SPARE_SECONDS)


@functools.cache
def _notifier() -> "Notifier":
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        max_pool_connections=TAKERS,
        connect_timeout=5,
        read_timeout=30,
    )
    settings = Settings.from_environment(os.environ)
    client = functools.partial(boto3.client, config=config)
    return Notifier(
        settings=settings,
        objects=Objects(client("s3"), settings.output_bucket),
        sqs=client("sqs"),
        ecs=client("ecs"),
        events=client("events"),
        sns=client("sns"),
    )


def log(decision: str, **facts: object) -> None:
    """Log a decision and the facts behind it as one line of JSON."""
    print(json.dumps({"decision": decision, **facts}))  # noqa: T201 - Lambda's log is its stdout


# ----------------------------------------------------------------------------------------- settings


@dataclass(frozen=True, slots=True)
class Settings:
    """The notifier's settings, one attribute for each NOTIFIER_ variable."""

    stack: str
    output_bucket: str
    output_key: str
    queue_url: str
    dead_letter_queue_url: str
    file_events_url: str
    cluster: str
    family: str
    topics: tuple[str, ...]
    worker_settings: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every variable; raises SettingsError naming those that are missing."""
        names = {field: PREFIX + field.upper() for field in cls.__slots__}
        if missing := [name for name in names.values() if name not in environment]:
            raise SettingsError(f"not set: {', '.join(missing)}")
        text: dict[str, Any] = {field: environment[name] for field, name in names.items()}
        text["topics"] = tuple(part for part in text["topics"].split(",") if part)
        text["worker_settings"] = _upper(
            dict(word.split("=", 1) for word in shlex.split(text["worker_settings"]) if "=" in word)
        )
        return cls(**text)

    @property
    def prefix(self) -> str:
        """What the keys of all outputs begin with."""
        return f"{self.output_key}/" if self.output_key else ""


def _upper(settings: Mapping[str, str]) -> dict[str, str]:
    return {name.upper().removeprefix("WORKER_"): text for name, text in settings.items()}


# ----------------------------------------------------------------------------------------- notifier


@dataclass(frozen=True)
class Notifier:
    """Handles one event: a new kind of failure, a worker that stopped, or the schedule."""

    settings: Settings
    objects: "Objects"
    sqs: "SQSClient"
    ecs: "ECSClient"
    events: Any
    sns: Any
    known_groups: set[str] = field(default_factory=set)  # of this process; S3 knows all
    seen: "Seen" = field(default_factory=lambda: Seen())  # noqa: PLW0108 - it is below

    def handle(self, event: Facts, stop_at: float) -> None:
        """Handle an event; nothing more is taken or listed after that time."""
        match event:
            case {"source": "tidegate", "detail-type": "File Failed", "detail": detail}:
                self._announce_group(detail)
            case {"source": "aws.ecs"}:
                if self._is_any_worker_left():
                    log("ignored", why="other workers run")
                else:
                    self._look_at_runs(self._recent_runs(), stop_at)
            case {"detail-type": "Scheduled Event"}:
                self._look_at_file_events(stop_at)
            case _:
                log("unknown event", event=repr(event)[:MOST_MESSAGE])

    def _look_at_file_events(self, stop_at: float) -> None:
        """Send a digest of the events, and look at the runs that they name.

        An event that was counted is gone from the queue. So counts and runs are kept until the work
        is done: Lambda tries again, mostly in the same process. The digest is first, as a look at
        large runs may take all of the time.
        """
        take_until = stop_at - FOR_RUNS_SECONDS
        take_file_events(self.sqs, self.settings.file_events_url, take_until, self.seen)
        self._send_digest(self.seen)
        self.seen.clear_counts()
        self._look_at_runs(sorted(self.seen.runs), stop_at)
        self.seen.runs.clear()

    def _is_any_worker_left(self) -> bool:
        answer = self.ecs.list_tasks(cluster=self.settings.cluster, family=self.settings.family)
        return bool(answer["taskArns"])

    def _announce_group(self, failure: Facts) -> None:
        group = failure["group"]
        if group in self.known_groups or not self.settings.topics:
            return
        mark = f"{self.settings.prefix}{NOTICES}groups/{group}.json"
        first = {name: failure[name] for name in ("group", "time", "input", "error_type")}
        with_claim = self.objects.claim(mark, first, lambda: self._publish(group_notice(failure)))
        log("new group announced" if with_claim else "group is known", group=group)
        self.known_groups.add(group)

    def _send_digest(self, seen: "Seen") -> None:
        if not (seen.predicted or seen.failed) or not self.settings.topics:
            return
        waiting, in_flight = self._count(self.settings.queue_url)
        dead, _ = self._count(self.settings.dead_letter_queue_url)
        self._publish(digest(self.settings.stack, seen, waiting, in_flight, dead))
        log("digest sent", predicted=seen.predicted, failed=dict(seen.failed))

    def _count(self, queue_url: str) -> tuple[int, int]:
        found = self.sqs.get_queue_attributes(
            QueueUrl=queue_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
        return (
            int(found["ApproximateNumberOfMessages"]),
            int(found["ApproximateNumberOfMessagesNotVisible"]),
        )

    def _publish(self, notice: "Notice") -> None:
        """Send a notice to each topic; fails if no topic takes it.

        If one topic takes it, another try would send it there once more.
        """
        errors: list[Exception] = []
        for topic in self.settings.topics:
            try:
                self._publish_to(topic, notice)
            except Exception as error:  # noqa: BLE001 - raised below, if no topic takes it
                log("notice not sent", topic=topic, error=repr(error)[:MOST_MESSAGE])
                errors.append(error)
        if errors and len(errors) == len(self.settings.topics):
            raise errors[0]

    def _publish_to(self, topic: str, notice: "Notice") -> None:
        self.sns.publish(
            TopicArn=topic,
            Subject=notice.subject[:MOST_SUBJECT],
            Message=notice.text,
            MessageAttributes={"kind": {"DataType": "String", "StringValue": notice.kind}},
        )

    # Runs

    def _recent_runs(self) -> list[str]:
        """Return the runs whose messages may be there still, by names that begin with the day."""
        prefix = self.settings.prefix + RUNS
        after = f"{prefix}{datetime.now(UTC) - RECENT:%Y%m%d}"
        keys = (one["Key"].removeprefix(prefix) for one in self.objects.list(prefix, after))
        names = dict.fromkeys(key.partition("/")[0] for key in keys if not key.startswith("_"))
        return list(names)

    def _look_at_runs(self, names: Sequence[str], stop_at: float) -> None:
        """Announce the runs that have ended; a run that fails is raised after all others."""
        errors: list[Exception] = []
        for name in names:
            try:
                self._look_at_run(Run(self.objects, self.settings, name, stop_at))
            except OutOfTime:
                log("run not looked at", run=name, why="out of time")
            except Exception as error:  # noqa: BLE001 - raised below
                log("run failed", run=name, error=repr(error)[:MOST_MESSAGE])
                errors.append(error)
        if errors:
            raise errors[0]

    def _look_at_run(self, run: "Run") -> None:
        summary = run.summary()
        if summary is None:
            return
        # Before the claim: an event that comes twice is known by its id, a lost one is not.
        self._send_event("Run Finished", run_detail(self.settings.stack, run, summary))
        notice = functools.partial(self._publish, run_notice(self.settings.stack, summary))
        if self.objects.claim(run.prefix + ANNOUNCED, {"time": _now()}, notice):
            log("run finished", run=run.name, status=summary["status"])

    def _send_event(self, detail_type: str, detail: Facts) -> None:
        entry = {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)}
        answer = self.events.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise NotSent(f"{detail_type} of {detail['run']}: {answer['Entries'][0]}")


# -------------------------------------------------------------------------------------- file events


@dataclass(slots=True)
class Seen:
    """What the file events of the queue say; a repeated event counts once."""

    predicted: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by group
    runs: set[str] = field(default_factory=set)
    ids: set[int] = field(default_factory=set)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def add(self, event: Facts) -> None:
        """Count one event; several threads do.

        Raises KeyError, TypeError or ValueError for an event that no worker has sent.
        """
        detail = event["detail"]
        identity = int(detail["id"][:16], 16)  # as a number it takes a fifth of the memory
        run = detail["run"]
        if run is not None and not RUN.fullmatch(run):
            raise ValueError(run)
        group = None if event["detail-type"] == "File Predicted" else str(detail["group"])
        with self._turn:
            if identity not in self.ids:
                self._count(identity, run, group)

    def _count(self, identity: int, run: str | None, group: str | None) -> None:
        self.ids.add(identity)
        if run:
            self.runs.add(run)
        if group is None:
            self.predicted += 1
        else:
            self.failed[group] += 1

    def clear_counts(self) -> None:
        """Begin anew, after a digest."""
        self.predicted = 0
        self.failed.clear()
        self.ids.clear()


def take_file_events(sqs: "SQSClient", url: str, take_until: float, seen: Seen) -> None:
    """Take events from their queue until it is empty or the time is over.

    The rest stays there for the next time. One taker looks alone first, as most queues are empty.
    """

    def take() -> bool:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            try:
                seen.add(json.loads(message["Body"]))
            except (KeyError, TypeError, ValueError):  # others may use this source, too
                log("unknown event", event=message["Body"][:MOST_MESSAGE])
        if found:
            _delete(sqs, url, [message["ReceiptHandle"] for message in found])
        return bool(found)

    def take_all() -> None:
        while time.monotonic() < take_until and take():
            pass

    if take():
        with ThreadPoolExecutor(TAKERS) as pool:
            for taker in [pool.submit(take_all) for _ in range(TAKERS)]:
                taker.result()


def _delete(sqs: "SQSClient", url: str, handles: Sequence[str]) -> None:
    """Delete messages; one that stays would be counted once more by a later digest."""
    left = {str(number): handle for number, handle in enumerate(handles)}
    for _ in range(DELETE_ATTEMPTS):
        answer = sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[{"Id": name, "ReceiptHandle": handle} for name, handle in left.items()],
        )
        left = {one["Id"]: left[one["Id"]] for one in answer.get("Failed", [])}
        if not left:
            return
    log("events not deleted", count=len(left))


# --------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True)
class Run:
    """A run of `tidegate submit`, by its record below the stack's output key."""

    objects: "Objects"
    settings: Settings
    name: str
    stop_at: float

    @property
    def prefix(self) -> str:
        """What the keys of the record begin with."""
        return f"{self.settings.prefix}{RUNS}{self.name}/"

    def summary(self) -> Facts | None:
        """Return how the run ended, if nobody has announced it; None if it has not ended.

        The first summary that is written stays, whoever finds the end.
        """
        record = {
            one["Key"].removeprefix(self.prefix): one for one in self.objects.list(self.prefix)
        }
        if REQUEST not in record or ANNOUNCED in record:
            return None
        if datetime.now(UTC) - record[REQUEST]["LastModified"] > RECENT:
            return None  # under a name that does not begin with the day
        if SUMMARY in record:
            is_new = datetime.now(UTC) - record[SUMMARY]["LastModified"] < JUST_ENDED
            return self.objects.read_json(self.prefix + SUMMARY) if is_new else None
        parts = [name for name in record if PART.fullmatch(name)]
        request = self.objects.read_json(self.prefix + REQUEST)
        found = self._results(request, parts)
        status = self._status(request, found, all_sent=ALL_SENT in record)
        if found is None or status is None:
            return None
        summary = _summary(request, found, status)
        if not self.objects.put_new(self.prefix + SUMMARY, summary):
            return self.objects.read_json(self.prefix + SUMMARY)
        return summary

    def _status(self, request: Facts, found: "Results | None", *, all_sent: bool) -> str | None:
        if found is None:
            return None
        if all_sent and not found.left:
            return "completed_with_failures" if found.failed else "completed"
        base = f"{request['output_key']}/" if request["output_key"] else ""
        mark = f"{base}{RUNS}{self.name}/{CANCELLED}"
        is_cancelled = any(one["Key"] == mark for one in self.objects.list(mark))
        return "cancelled" if is_cancelled else None

    def _results(self, request: Facts, parts: Sequence[str]) -> "Results | None":
        """Join what was sent with outputs and reports; None if a listing cannot show the end.

        Only hashes are held in memory: a million files take about 150 MB.
        """
        places = Places.of(request, self.settings)
        files = sum(int(match[1]) for match in map(PART.fullmatch, parts) if match)
        if places is None or files > MOST_FILES:
            log("run not looked at", run=self.name, files=files)
            return None
        made: dict[int, int] = {}  # by the input's hash: twice the time, and 1 more if predicted
        for part in parts:
            for line in gzip.decompress(self.objects.read(self.prefix + part)).splitlines():
                made[_hash(json.loads(line)[0])] = 0
        began = datetime.fromisoformat(request["began"])
        for before, afters, is_output in places.kinds():
            for one in self.objects.list(before + request["prefix"]):
                if time.monotonic() > self.stop_at:
                    raise OutOfTime
                if one["LastModified"] < began:
                    continue
                rank = 2 * int(one["LastModified"].timestamp()) + is_output
                for after in afters:
                    key = _hash(one["Key"].removeprefix(before).removesuffix(after))
                    if one["Key"].endswith(after) and key in made:
                        made[key] = max(made[key], rank)
        return Results.of(made)


@dataclass(frozen=True, slots=True)
class Results:
    """What became of the files of a run."""

    files: int
    predicted: int
    failed: int
    last: datetime | None

    @classmethod
    def of(cls, made: Mapping[int, int]) -> Self:
        """Count; the latest result of a file counts."""
        predicted = sum(rank & 1 for rank in made.values())
        failed = sum(1 for rank in made.values() if rank and not rank & 1)
        last = max(made.values(), default=0) // 2
        return cls(
            len(made), predicted, failed, datetime.fromtimestamp(last, UTC) if last else None
        )

    @property
    def left(self) -> int:
        """Return how many files have no result."""
        return self.files - self.predicted - self.failed


@dataclass(frozen=True, slots=True)
class Places:
    """Where outputs and reports of a run are: a text before the input's key, and one after it."""

    output: tuple[str, str]
    report: tuple[str, str]
    output_format: str | None

    @classmethod
    def of(cls, request: Facts, settings: Settings) -> Self | None:
        """Read the templates; None if the input's key alone does not say where."""
        own = {**settings.worker_settings, **_upper(request.get("settings") or {})}
        output = _place(own.get("OUTPUT_TEMPLATE", "{output_key}/{key}"), request["output_key"])
        report = _place(
            own.get("FAILURE_TEMPLATE", "{output_key}/_failed/{key}.json"), request["output_key"]
        )
        if output is None or report is None:
            return None
        return cls(output, report, own.get("OUTPUT_FORMAT"))

    def kinds(self) -> Iterator[tuple[str, tuple[str, ...], bool]]:
        """Yield what comes before the keys, what may come after them, and whether of outputs."""
        before, after = self.output
        converted = (f"{after}.{self.output_format}",) if self.output_format else ()
        yield before, (after, *converted), True
        yield self.report[0], (self.report[1],), False


def _place(template: str, output_key: str) -> tuple[str, str] | None:
    if not output_key:
        template = template.replace("{output_key}/", "")
    before, key, after = template.replace("{output_key}", output_key).partition("{key}")
    return (before, after) if key and "{" not in before + after else None


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


def _summary(request: Facts, found: Results, status: str) -> Facts:
    """Return what `tidegate wait` records, but for the cost, which is nobody's to ask here."""
    began = datetime.fromisoformat(request["began"])
    ended = found.last or datetime.now(UTC)
    source = f"s3://{request['bucket']}/{request['prefix']}"
    return {
        "version": 1,
        "run": request["run"],
        "status": status,
        "stack": request["stack"],
        "source": "the named files" if request.get("named") else source,
        "model": request["model"],
        "model_sha256": request.get("model_sha256") or None,
        "began": began.isoformat(),
        "ended": ended.isoformat(),
        "seconds": (ended - began).total_seconds(),
        "files": found.files,
        "predicted": found.predicted,
        "failed": found.failed,
        "cancelled": found.left,
        "dollars": None,
        "worker_hours": None,
        "dollars_at_least": False,
    }


def run_detail(stack: str, run: Run, summary: Facts) -> Facts:
    """Return the detail of the event *Run Finished*."""
    identity = f"Run Finished\0{stack}\0{run.name}"
    known = ("status", "source", "model_sha256", "began", "ended", "seconds")
    counts = ("files", "predicted", "failed", "cancelled")
    return {
        "event_version": EVENT_VERSION,
        "id": hashlib.sha256(identity.encode()).hexdigest(),
        "time": _now(),
        "stack": stack,
        "run": run.name,
        **{name: summary[name] for name in (*known, *counts)},
        "summary": {"bucket": run.objects.bucket, "key": run.prefix + SUMMARY},
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# ------------------------------------------------------------------------------------------ notices


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for people. Keys and messages are other people's text, and stand as JSON in it."""

    kind: str
    subject: str
    text: str


def _notice(kind: str, subject: str, lines: Sequence[str], *commands: str) -> Notice:
    following = "\n".join(f"  {command}" for command in commands)
    return Notice(kind, subject, "\n".join(lines) + f"\n\nType next:\n{following}\n")


def group_notice(failure: Facts) -> Notice:
    """Return the notice of the first failure of a group."""
    stack, group = failure["stack"], failure["group"]
    report = failure["report"]
    lines = [
        f"A file of {stack} has failed in a way that is new: {group}",
        "Further failures of this group are counted in the digest, without a notice of their own.",
        "",
        f"file    {_uri(failure['input'])}",
        f"error   {failure['error_type']}: {json.dumps(failure['message'][:MOST_MESSAGE])}",
        f"report  {_uri(report) if report else 'not written'}",
    ]
    command = f"tidegate failures --stack {stack}"
    return _notice("group", f"{stack}: new kind of failure, {group}", lines, command)


def run_notice(stack: str, summary: Facts) -> Notice:
    """Return the notice of a run's end."""
    run, failed = summary["run"], summary["failed"]
    lines = [
        f"The run {run} of {stack} has ended: {summary['status'].replace('_', ' ')}",
        "",
        f"source     {json.dumps(summary['source'])}",
        f"files      {summary['files']}",
        f"predicted  {summary['predicted']}",
        f"failed     {failed}",
        f"cancelled  {summary['cancelled']}",
        f"ended      {summary['ended']}",
    ]
    commands = [f"tidegate report {run} --stack {stack}"]
    if failed:
        commands.insert(0, f"tidegate failures --stack {stack}")
    subject = f"{stack}: run {run} ended, {summary['predicted']} predicted, {failed} failed"
    return _notice("run", subject, lines, *commands)


def digest(stack: str, seen: Seen, waiting: int, in_flight: int, dead: int) -> Notice:
    """Return the notice of what has happened since the last one."""
    failed = sum(seen.failed.values())
    groups = seen.failed.most_common(MOST_GROUPS)
    lines = [
        f"Since the last digest of {stack}:",
        "",
        f"predicted     {seen.predicted}",
        f"failed        {failed}",
        *(f"  {group}  {count}" for group, count in groups),
        *(["  and others"] if len(seen.failed) > len(groups) else []),
        "",
        f"waiting       {waiting}, and {in_flight} in hand or in backoff",
        f"dead letters  {dead}",
    ]
    command = f"tidegate {'failures' if failed else 'status'} --stack {stack}"
    return _notice(
        "digest", f"{stack}: {seen.predicted} predicted, {failed} failed", lines, command
    )


def _uri(place: Facts) -> str:
    return json.dumps(f"s3://{place['bucket']}/{place['key']}")


# ----------------------------------------------------------------------------------------------- S3


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of the output bucket."""

    s3: "S3Client"
    bucket: str

    def list(self, prefix: str, after: str = "") -> Iterator[Any]:
        """Yield every object below a prefix whose key comes after that key."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after
        )
        for page in pages:
            yield from page.get("Contents", [])

    def read(self, key: str) -> bytes:
        """Read an object."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def read_json(self, key: str) -> Facts:
        """Read an object of JSON."""
        facts: Facts = json.loads(self.read(key))
        return facts

    def put_new(self, key: str, facts: Facts) -> bool:
        """Write an object, unless there is one; return whether it was written."""
        body = json.dumps(facts, indent=2).encode()
        try:
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"].get("Code") in EXISTS:
                return False
            raise
        return True

    def claim(self, key: str, facts: Facts, act: Callable[[], None]) -> bool:
        """Act if nobody has acted under this key before; return whether this caller did.

        The object decides, whoever else tries at once. If the act fails, the object is removed and
        Lambda tries again.
        """
        if not self.put_new(key, facts):
            return False
        try:
            act()
        except BaseException:
            self.s3.delete_object(Bucket=self.bucket, Key=key)
            raise
        return True
