"""The values that pass through the worker: a message, the job in its body, and its outcome."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from worker.distributions import Distributions
from worker.errors import PermanentError, UnknownMessageVersion, UnreadableBody
from worker.interfaces import PartCounts

MESSAGE_VERSION = 1  # the latest that this worker knows; a message that names none is of version 1
RUN_ID = r"^[A-Za-z0-9._-]{1,64}$"  # a part of keys, attributes and metadata

# An S3 event as it stands, or in the texts of its wrappings, where each quote is escaped.
S3_EVENT = re.compile(r'"(?:eventSource|source|Event)\\*"\s*:\s*\\*"(?:aws[:.]s3|s3:TestEvent)\\*"')
WAY_OF_AN_EVENT = "an S3 event: send this through the dispatcher, which makes jobs of events"


@dataclass(frozen=True, slots=True)
class S3Uri:
    """The address of an object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Message:
    """The SQS envelope: one delivery of one message.

    The queue's redrive policy decides `last_receive` (SQS does not deliver the message again) and
    `exclusive` (the message has failed so often that its job runs while no other job runs).
    """

    id: str
    receipt_handle: str
    body: str
    receive_count: int = 1
    last_receive: bool = False
    exclusive: bool = False
    sent: float | None = None  # in seconds since 1970, by the clock of SQS


class Job(BaseModel):
    """The parsed body of a message: the input, and where its predictions go."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    bucket: str = Field(min_length=1)
    key: str = Field(min_length=1)
    output_bucket: str = Field(min_length=1)
    output_key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = Field(default=None, ge=0)
    sequencer: str | None = Field(default=None, pattern="^[0-9A-Fa-f]*$")
    again: bool = False
    run: str | None = Field(default=None, pattern=RUN_ID)
    # Checked when the job runs: so a wrong value has a report, since the rest says where it goes.
    settings: Mapping[str, object] = Field(default_factory=dict)
    message_version: int = Field(default=MESSAGE_VERSION, ge=1)
    # Counted by `tidegate redrive`; here so that a report hands it on.
    redrives: int | None = Field(default=None, ge=1)

    @field_validator("output_key")
    @classmethod
    def _drop_trailing_slash(cls, prefix: str) -> str:
        return prefix.removesuffix("/")

    @field_validator("etag")
    @classmethod
    def _drop_quotes(cls, etag: str | None) -> str | None:
        return etag.strip('"') if etag else None

    @field_validator("version_id", "sequencer")
    @classmethod
    def _empty_is_unknown(cls, value: str | None) -> str | None:
        return value or None

    @property
    def source(self) -> S3Uri:
        """The input object."""
        return S3Uri(self.bucket, self.key)

    def log_fields(self) -> dict[str, str]:
        """Return the fields that all log lines of the job have: the input, its version, the run."""
        fields = {
            "input": str(self.source),
            "etag": self.etag,
            "version_id": self.version_id,
            "run": self.run,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def of_current_version(self) -> Self:
        """Return the same job for whatever version of the input is the current one."""
        return self.model_copy(update=dict.fromkeys(("version_id", "etag", "sequencer", "size")))

    @classmethod
    def parse(cls, body: str) -> Self:
        """Parse a message body; raises UnreadableBody naming every field that is wrong.

        Raises UnknownMessageVersion if only a newer worker knows what the fields mean.
        """
        check_version(body)
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            if S3_EVENT.search(body):
                raise UnreadableBody(f"the message is not a job but {WAY_OF_AN_EVENT}") from None
            raise UnreadableBody(f"the message is not a job: {describe(error)}") from None


def check_version(body: str) -> None:
    """Raise UnknownMessageVersion for a message of a later version than this worker knows."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return  # no job of any version
    version = fields.get("message_version") if isinstance(fields, dict) else None
    if isinstance(version, int) and version > MESSAGE_VERSION:
        raise UnknownMessageVersion(
            f"the message has message_version {version}, and this worker knows {MESSAGE_VERSION}: "
            "a newer worker must take it"
        )


def describe(error: ValidationError) -> str:
    """Return one line with every problem that pydantic found, each with its field."""
    return "; ".join(_describe_one(dict(problem)) for problem in error.errors())


def _describe_one(problem: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{field}: {text}" if field else text


Status = Literal["predicted", "already done", "superseded"]


@dataclass(frozen=True, slots=True)
class Done:
    """The output is durable, or one of the same or a newer version exists: delete the message.

    `etag` and `version_id` are those of the input that was read. `rows` and `rejected` are None
    where the output was found before anything was predicted.
    """

    status: Status
    output: S3Uri
    etag: str | None = None
    version_id: str | None = None
    rows: int | None = None
    rejected: int | None = None
    model: str | None = None
    model_sha256: str | None = None
    parts: PartCounts | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None
    phases: Mapping[str, float] = field(default_factory=dict)  # the seconds of each
    predictions: Distributions | None = None
    seconds: float = 0.0

    def log_fields(self) -> dict[str, Any]:
        """Return the fields for the log line of the job, without those that are unknown."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values |= {"output": str(self.output), "seconds": round(self.seconds, 3), "parts": None}
        values["phases"] = None  # they are in the sums of the worker's numbers
        if self.parts:
            values |= asdict(self.parts)
        if self.predictions:
            values["predictions"] = self.predictions.within().fields()
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Retry:
    """The job failed for a reason that may pass: make the message visible after a backoff."""

    error: BaseException
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """No attempt can succeed: report the failure and dead-letter the message.

    `stopping` is set if the worker has to stop during the message's last receive: the report and
    the dead letter then have a short time limit.
    """

    error: PermanentError
    job: Job | None = None
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """The worker stops: make the message visible again at once."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The job's run was cancelled before the job began: delete the message, and write nothing."""


Outcome = Done | Retry | Reject | Release | Drop
