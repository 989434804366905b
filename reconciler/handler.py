"""The reconciler: send a message for each input that has neither an output nor a failure report.

One self-contained file, so that Lambda needs nothing but its own boto3. The sections stand in the
order in which a night passes through them: entry point, settings, reconciler, join, S3, SQS.
"""

import functools
import heapq
import json
import os
import shlex
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PREFIX = "RECONCILER_"
HOUR, DAY = 3600, 86400
UNDER_WAY = HOUR  # so long an event and the retries of Lambda may take
SPARE_SECONDS = 60  # of the invocation, to send what was found and to hand over
MOST_PARTS = 15  # invocations a night: Lambda itself ends a chain of about 16
MOST_KEY_BYTES = 1024  # S3's limit
MESSAGES_PER_BATCH, SEND_ATTEMPTS = 10, 3
GROUP = "reconcile"  # all messages together get a fair share of the workers, as a run's do
LAST_CHARACTER = chr(0x10FFFF)
TEMPLATES = {
    "OUTPUT_TEMPLATE": "{output_key}/{key}",
    "FAILURE_TEMPLATE": "{output_key}/_failed/{key}.json",
}


class SettingsError(Exception):
    """A RECONCILER_ variable is missing or wrong."""


class NotSent(Exception):
    """SQS did not accept every message, so Lambda must retry."""


class NotFinished(Exception):
    """A night has taken as many invocations as it may."""


class UnknownEvent(Exception):
    """An event is neither the schedule's nor the reconciler's own."""


# -------------------------------------------------------------------------------------- entry point


class Invocation(Protocol):
    """What the reconciler uses of Lambda's context object."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time until Lambda ends the invocation."""


def handler(event: Mapping[str, Any], context: Invocation | None) -> None:
    """Lambda's entry point."""
    seconds = context.get_remaining_time_in_millis() / 1000 if context else float("inf")
    _reconciler().handle(event, time.monotonic() + seconds - SPARE_SECONDS)


@functools.cache
def _reconciler() -> "Reconciler":
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=30
    )
    client = functools.partial(boto3.client, config=config)
    settings = Settings.from_environment(os.environ)
    return Reconciler(settings, client("s3"), client("sqs"), client("lambda"))


def log(decision: str, **facts: object) -> None:
    """Log a decision and the facts behind it as one line of JSON."""
    print(json.dumps({"decision": decision, **facts}))  # noqa: T201 - Lambda's log is its stdout


# ----------------------------------------------------------------------------------------- settings


@dataclass(frozen=True, slots=True)
class Place:
    """The keys of outputs or of reports: a text, the input's key, and one of these texts."""

    before: str
    afters: tuple[str, ...]

    @classmethod
    def of(cls, worker: Mapping[str, str], name: str, output_key: str) -> Self:
        """Read a template of the worker's settings.

        Raises SettingsError if the input's key alone does not say where an output is.
        """
        template = worker.get(name, TEMPLATES[name])
        filled = template if output_key else template.replace("{output_key}/", "")
        before, key, after = filled.replace("{output_key}", output_key).partition("{key}")
        if not key or "{" in before + after:
            raise SettingsError(
                f"the reconcile cannot find files by WORKER_{name}={template}: use {{output_key}} "
                "and one {key} only, or set Reconcile=DISABLED"
            )
        return cls(before, (after,))


@dataclass(frozen=True, slots=True)
class Settings:
    """The reconciler's settings, one attribute for each RECONCILER_ variable."""

    function: str
    queue_url: str
    bucket: str
    input_prefix: str
    output_bucket: str
    output_key: str
    suffixes: tuple[str, ...]
    days: int
    max_files: int
    worker_settings: Mapping[str, str]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every variable; raises SettingsError naming those that are missing or wrong."""
        names = {name: PREFIX + name.upper() for name in cls.__slots__}
        if missing := [full for full in names.values() if full not in environment]:
            raise SettingsError(f"not set: {', '.join(missing)}")
        text: dict[str, Any] = {name: environment[full] for name, full in names.items()}
        for name in ("days", "max_files"):
            if not text[name].isdecimal() or int(text[name]) < 1:
                raise SettingsError(f"{names[name]} is not 1 or more: {text[name]!r}")
            text[name] = int(text[name])
        text["output_key"] = text["output_key"].rstrip("/")
        suffixes = (part.strip() for part in text["suffixes"].lower().split(","))
        text["suffixes"] = tuple(part for part in suffixes if part)
        words = (word.partition("=") for word in shlex.split(text["worker_settings"]))
        text["worker_settings"] = {
            name.upper().removeprefix("WORKER_"): value for name, _, value in words
        }
        return cls(**text)

    @property
    def own_prefix(self) -> str | None:
        """What in the input bucket is the stack's own output; None if it is another bucket."""
        if self.bucket != self.output_bucket:
            return None
        return f"{self.output_key}/" if self.output_key else ""

    def places(self) -> tuple[Place, Place]:
        """Return where outputs are, converted or not, and where failure reports are."""
        outputs, reports = (
            Place.of(self.worker_settings, name, self.output_key) for name in TEMPLATES
        )
        if form := self.worker_settings.get("OUTPUT_FORMAT"):
            (after,) = outputs.afters
            outputs = replace(outputs, afters=(after, f"{after}.{form}"))
        return outputs, reports


# --------------------------------------------------------------------------------------- reconciler


@dataclass(slots=True)
class Found:
    """An input, and when the newest output or report of its key was written; 0: there is none."""

    key: str
    etag: str
    size: int
    modified: int
    result: int = 0


@dataclass(slots=True)
class Night:
    """How far a reconcile has come; the next invocation gets it in its event.

    `oldest` and `newest` limit when an input was written. The inputs in `waiting` come before
    `after`, but their results may come behind it.
    """

    began: str
    oldest: int
    newest: int
    in_queue: int
    part: int = 1
    after: str = ""
    waiting: Sequence[Sequence[Any]] = ()
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def resumed(cls, state: Mapping[str, Any]) -> Self:
        """Read what the invocation before has handed over."""
        return cls(**{**state, "counts": Counter(state["counts"])})


@dataclass(frozen=True)
class Reconciler:
    """Handles one event: begins a night, or goes on with it."""

    settings: Settings
    s3: "S3Client"
    sqs: "SQSClient"
    functions: "LambdaClient"

    def handle(self, event: Mapping[str, Any], stop_at: float) -> None:
        """Look at inputs until all are looked at or the time is over; then hand over the rest."""
        match event:
            case {"detail-type": "Scheduled Event", "time": str(began)}:
                night = self._begin(began)
            case {"reconcile": {"began": _} as state}:
                night = Night.resumed(state)
            case _:
                raise UnknownEvent(repr(event)[:1000])
        if night.part > MOST_PARTS:
            raise NotFinished(
                f"the reconcile of {night.began} has not come behind {night.after!r} in "
                f"{MOST_PARTS} invocations: set InputPrefix to look at fewer objects, or "
                "Reconcile=DISABLED"
            )
        if self._look(night, stop_at):
            log("reconciled", began=night.began, parts=night.part, **self._facts(night))
        else:
            self._hand_over(night)

    def _begin(self, began: str) -> Night:
        """Choose the inputs to look at by the schedule's time, which a retry has too.

        While messages wait, one of them may be the message of any input that is younger than the
        queue keeps messages. Those inputs are left to another night.
        """
        now = int(datetime.fromisoformat(began).timestamp())
        in_queue, retention = count(self.sqs, self.settings.queue_url)
        age = retention if in_queue else UNDER_WAY
        return Night(began, now - self.settings.days * DAY, now - age, in_queue)

    def _look(self, night: Night, stop_at: float) -> bool:
        """Look at inputs; return whether the night is over."""
        join = Join([Results(self.s3, self.settings, place) for place in self.settings.places()])
        for values in night.waiting:
            join.add(Found(*values))
        sender = Sender(self.sqs, self.settings, night.counts)
        for source in inputs(self.s3, self.settings, night.after):
            for found in join.known_before(source.key):
                sender.add_if_missed(found)
            night.after = source.key
            night.counts["looked_at"] += 1
            if why := self._reason_to_skip(source, night):
                night.counts[why] += 1
            else:
                join.add(source)
            if night.counts["submitted"] >= self.settings.max_files or time.monotonic() > stop_at:
                break
        else:
            night.after = ""
            for found in join.known_before(None):
                sender.add_if_missed(found)
        sender.flush()
        night.waiting = [astuple(found) for found in join.waiting]
        return not night.after or night.counts["submitted"] >= self.settings.max_files

    def _reason_to_skip(self, source: Found, night: Night) -> str | None:
        if source.key.endswith("/"):
            return "folders"
        if self.settings.suffixes and not source.key.lower().endswith(self.settings.suffixes):
            return "other_suffix"
        if source.modified < night.oldest:
            return "too_old"
        if source.modified > night.newest:
            return "too_new"
        return None

    def _hand_over(self, night: Night) -> None:
        state = {name: getattr(night, name) for name in Night.__slots__}
        state["part"] += 1
        self.functions.invoke(
            FunctionName=self.settings.function,
            InvocationType="Event",
            Payload=json.dumps({"reconcile": state}).encode(),
        )
        log("continued", began=night.began, part=night.part, **self._facts(night))

    def _facts(self, night: Night) -> dict[str, object]:
        return {
            "written_from": _iso(night.oldest),
            "written_until": _iso(night.newest),
            "in_queue": night.in_queue,
            **dict.fromkeys(("looked_at", "submitted", "changed", "with_result"), 0),
            **night.counts,
            "left_off_at": night.after or None,
        }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


# --------------------------------------------------------------------------------------------- join


class Join:
    """Inputs in the order of their keys, each joined with its results.

    A text before all keys keeps their order, but a text after them does not: `a` is before `a-b`,
    and `a.json` is behind `a-b.json`. So an input waits until the listings have passed all of its
    places. Only inputs wait whose keys are beginnings of the latest one.
    """

    def __init__(self, sides: Sequence["Results"]) -> None:
        self._sides = sides
        self._last_after = max(after for side in sides for after in side.place.afters)
        self._waiting: list[tuple[str, str, Found]] = []  # a heap, by the last place

    @property
    def waiting(self) -> list[Found]:
        """Return the inputs of which not all is known."""
        return [found for _, _, found in self._waiting]

    def add(self, found: Found) -> None:
        """Let an input wait for its results."""
        heapq.heappush(self._waiting, (found.key + self._last_after, found.key, found))
        for side in self._sides:
            side.claim(found)

    def known_before(self, key: str | None) -> Iterator[Found]:
        """Yield the inputs all of whose places come before those of this key; None: all inputs."""
        for side in self._sides:
            side.pass_before(key)
        while self._waiting and (key is None or self._waiting[0][0] < key):
            yield heapq.heappop(self._waiting)[-1]


class Results:
    """The outputs or the reports, read in step with the inputs that claim them.

    Where nothing is claimed, nothing is listed.
    """

    def __init__(self, s3: "S3Client", settings: Settings, place: Place) -> None:
        self.place = place
        self._list = functools.partial(
            page, s3, settings.output_bucket, place.before + settings.input_prefix
        )
        self._claims: list[tuple[str, str, Found]] = []  # a heap, by the place without `before`
        self._page: deque[Found] = deque()
        self._last = ""  # the last key that was listed
        self._has_more = True

    def claim(self, found: Found) -> None:
        """Let an input wait for each of its places."""
        for after in self.place.afters:
            heapq.heappush(self._claims, (found.key + after, found.key, found))

    def pass_before(self, key: str | None) -> None:
        """Look up the claimed places that come before those of this key; None: all of them."""
        while self._claims and (key is None or self._claims[0][0] < key):
            place, _, found = heapq.heappop(self._claims)
            found.result = max(found.result, self._written_at(self.place.before + place))

    def _written_at(self, place: str) -> int:
        while True:
            while self._page and self._page[0].key < place:
                self._page.popleft()
            if self._page or not self._has_more:
                break
            # Leave out what no input has claimed, but never go back.
            self._last = max(self._last, place[:-1])
            listed, self._has_more = self._list(self._last)
            self._page.extend(listed)
            self._last = listed[-1].key if listed else self._last
        is_there = self._page and self._page[0].key == place
        return self._page[0].modified if is_there else 0


# ----------------------------------------------------------------------------------------------- S3


def page(s3: "S3Client", bucket: str, prefix: str, after: str) -> tuple[list[Found], bool]:
    """List a thousand objects whose keys come after a key; return whether there are more.

    S3 may answer without an object and say that there are more, and only its token leads on then.
    """
    start: dict[str, Any] = {"StartAfter": after} if after else {}
    answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **start)
    while answer["IsTruncated"] and not answer.get("Contents"):
        token = answer["NextContinuationToken"]
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, ContinuationToken=token)
    listed = [
        Found(one["Key"], one["ETag"].strip('"'), one["Size"], int(one["LastModified"].timestamp()))
        for one in answer.get("Contents", [])
    ]
    return listed, answer["IsTruncated"]


def inputs(s3: "S3Client", settings: Settings, after: str) -> Iterator[Found]:
    """Yield the objects below the input prefix whose keys come after a key.

    The stack's own outputs are left out; they cost one listing, whatever their number.
    """
    own, has_more = settings.own_prefix, True
    while has_more:
        listed, has_more = page(s3, settings.bucket, settings.input_prefix, after)
        for one in listed:
            if own is None or not one.key.startswith(own):
                yield one
        after = listed[-1].key if listed else after
        if own is not None and after.startswith(own):
            after = own + LAST_CHARACTER


# ---------------------------------------------------------------------------------------------- SQS


def count(sqs: "SQSClient", url: str) -> tuple[int, int]:
    """Return how many messages a queue has, and for how many seconds it keeps them."""
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    found: dict[Any, str] = {**answer["Attributes"]}
    number = "ApproximateNumberOfMessages"
    messages = sum(int(found[number + kind]) for kind in ("", "NotVisible", "Delayed"))
    return messages, int(found["MessageRetentionPeriod"])


class Sender:
    """Sends messages for inputs that were missed, in batches."""

    def __init__(self, sqs: "SQSClient", settings: Settings, counts: Counter[str]) -> None:
        self._sqs = sqs
        self._settings = settings
        self._counts = counts
        self._bodies: list[str] = []
        self._longest_key = MOST_KEY_BYTES - max(
            len(f"{place.before}{after}".encode())
            for place in settings.places()
            for after in place.afters
        )

    def add_if_missed(self, found: Found) -> None:
        """Send a message for an input without a result, or newer than its result.

        Times are whole seconds. A result of the same second counts as the input's.
        """
        if found.result and found.result >= found.modified:
            self._counts["with_result"] += 1
        elif len(found.key.encode()) > self._longest_key:
            self._counts["key_too_long"] += 1  # it has failed, and its report has another key
        elif self._counts["submitted"] >= self._settings.max_files:
            self._counts["left_to_another_night"] += 1
        else:
            self._counts["submitted"] += 1
            self._counts["changed"] += bool(found.result)
            self._bodies.append(self._body(found))
            if len(self._bodies) == MESSAGES_PER_BATCH:
                self.flush()

    def _body(self, found: Found) -> str:
        """Return the message of an input.

        A newer input may have the bytes of the older one. Only with `again` its output is written
        anew, so that the next night finds an output that is newer than the input.
        """
        message: dict[str, Any] = {
            "bucket": self._settings.bucket,
            "key": found.key,
            "output_bucket": self._settings.output_bucket,
            "output_key": self._settings.output_key,
            "etag": found.etag,
            "size": found.size,
        }
        return json.dumps(message | ({"again": True} if found.result else {}))

    def flush(self) -> None:
        """Send what waits; raises NotSent, so that Lambda retries this part of the night.

        A retry sends some messages twice, which does no harm.
        """
        waiting = {str(number): body for number, body in enumerate(self._bodies)}
        for _ in range(SEND_ATTEMPTS):
            if not waiting:
                break
            answer = self._sqs.send_message_batch(
                QueueUrl=self._settings.queue_url,
                Entries=[
                    {"Id": name, "MessageBody": body, "MessageGroupId": GROUP}
                    for name, body in waiting.items()
                ],
            )
            waiting = {one["Id"]: waiting[one["Id"]] for one in answer.get("Failed", [])}
        if waiting:
            raise NotSent(f"{len(waiting)} messages were not accepted by the queue")
        self._bodies = []
