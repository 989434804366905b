"""What travels through the worker: the message, the job in its body, and the outcome of the job."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from worker.errors import PermanentError, UnreadableBody


@dataclass(frozen=True, slots=True)
class S3Uri:
    """The address of an object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Message:
    """The SQS envelope: one delivery of one message."""

    id: str
    receipt_handle: str
    body: str
    receive_count: int = 1


class Job(BaseModel):
    """The parsed body of a message: what to predict, and where the predictions go."""

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

    @classmethod
    def parse(cls, body: str) -> Self:
        """Read a message body; raises UnreadableBody naming every field that is wrong."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as error:
            raise UnreadableBody(f"the message is not a job: {describe(error)}") from None


def describe(error: ValidationError) -> str:
    """Say on one line what pydantic found, field by field."""
    return "; ".join(_describe_one(dict(problem)) for problem in error.errors())


def _describe_one(problem: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{field}: {text}" if field else text


Status = Literal["predicted", "already done", "superseded"]


@dataclass(frozen=True, slots=True)
class Done:
    """The output is durable, or rightly somebody else's: the message may be deleted."""

    status: Status
    output: S3Uri
    etag: str | None = None
    version_id: str | None = None
    rows: int | None = None
    rejected: int | None = None
    model: str | None = None
    model_sha256: str | None = None
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        """Say for the log what was done, from which version of the input, by which model."""
        facts = asdict(self) | {"output": str(self.output), "seconds": round(self.seconds, 3)}
        return {name: fact for name, fact in facts.items() if fact is not None}


@dataclass(frozen=True, slots=True)
class Retry:
    """Something passing went wrong: the message comes back after a backoff."""

    error: BaseException
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """No attempt can succeed: the message is reported and dead-lettered."""

    error: PermanentError
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """The worker stops: the message is given back untouched."""


Outcome = Done | Retry | Reject | Release
