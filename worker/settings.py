"""Settings: read from the environment, validated and frozen."""

import csv
import re
import string
import unicodedata
from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AliasChoices, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from worker.advice.texts import Advice
from worker.columns import ColumnType
from worker.cores import usable_cores
from worker.errors import SettingsError
from worker.interfaces import Format, PredictMethod, ScoreOptions

PREFIX = "WORKER_"
MAX_STOP_SECONDS = 120  # the largest stopTimeout that Fargate accepts
RELEASE_SECONDS = 5.0  # the end of the drain, kept for releasing the messages of unfinished jobs
PLACEHOLDERS = frozenset({"output_key", "key", "etag", "version_id"})
# What a message may set for its own job: how its file is read and what its output looks like. Never
# what the pool processes have loaded, where an output goes, or what a report may show.
SETTINGS_OF_A_JOB = frozenset(
    {
        "delimiter",
        "quote",
        "escape",
        "header",
        "encoding",
        "keep_columns",
        "dtypes",
        "output_format",
        "max_rejected",
    }
)


class Settings(BaseSettings):
    """The settings of a worker, one attribute for each WORKER_ variable."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, env_ignore_empty=True, extra="forbid"
    )

    queue: str = Field(
        min_length=1,
        validation_alias=AliasChoices("WORKER_QUEUE", "SQS_QUEUE"),
        description="queue name, URL or ARN (SQS_QUEUE is accepted too)",
    )
    model: str = Field(
        min_length=1, description="s3://bucket/key, with ?versionId= if wanted, or a path"
    )
    model_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        description="refuse a model with another digest, before a byte of it is unpickled",
    )
    predictor: str | None = Field(
        default=None,
        pattern=r"^\w+(\.\w+)*:\w+(\.\w+)*$",
        description="package.module:factory of a predictor of your own; factory(path) makes it",
    )
    predict: PredictMethod = Field(
        default="auto", description="the model's method to call; auto = probabilities if it has any"
    )
    consumers: int = Field(
        default=2, ge=1, le=50, description="long polls at once when busy; one when idle"
    )
    concurrency: int = Field(
        default=16, ge=1, le=1000, description="jobs at once; as many again may wait in memory"
    )
    predict_processes: int = Field(
        default_factory=usable_cores, ge=1, description="processes that parse, predict and write"
    )
    memory_mb: int = Field(
        default=512, ge=1, description="input and output bytes held at once, all jobs together"
    )
    visibility_seconds: int | None = Field(
        default=None,
        ge=1,
        le=43_200,
        description="how long a received message stays invisible between heartbeats",
    )
    heartbeat_seconds: float | None = Field(
        default=None, gt=0, description="below half of the visibility timeout"
    )
    wait_seconds: int = Field(
        default=20, ge=0, le=20, description="one long poll; below WORKER_DRAIN_SECONDS"
    )
    idle_seconds: float | None = Field(
        default=None,
        ge=-1,
        description="exit after this long without a message; 0 = drain and exit, -1 = never; "
        "auto = 30, or 60 once more than one message has come",
    )
    drain_seconds: float = Field(
        default=90,
        gt=0,
        lt=MAX_STOP_SECONDS,
        description="time to finish after SIGTERM or SIGINT; below the task's stopTimeout",
    )
    job_seconds: float = Field(default=3600, gt=0, description="time limit of one attempt at a job")
    retry_seconds: float = Field(
        default=30, gt=0, le=900, description="base of the exponential backoff, capped at 900"
    )
    delimiter: str | None = Field(
        default=None, pattern="^[\\x00-\\x7f]$", description="of CSV input: one character, or tab"
    )
    quote: str | None = Field(
        default='"',
        pattern=r"^[!-/:-@\[-`{-~]$",
        description="of CSV input: one character; none = quotes are plain text (unquoted TSV)",
    )
    escape: str | None = Field(
        default=None,
        pattern=r"^[!-/:-@\[-`{-~]$",
        description="before a quote inside quotes in CSV input: \\ for Spark's; none = doubled",
    )
    header: Literal["present", "absent"] = Field(
        default="present", description="of CSV input; absent = columns by position, named 0, 1, 2"
    )
    encoding: str = Field(default="utf-8", description="of text input")
    keep_columns: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        default=None, description="columns copied to the output, by comma; * = all"
    )
    dtypes: Annotated[tuple[tuple[str, ColumnType], ...], NoDecode] = Field(
        default=(),
        description="types of columns, before the model's: column=text,other=int; "
        "float, int, bool or text",
    )
    output_format: Format | None = Field(
        default=None,
        description="csv, jsonl or parquet; a format other than the input's is appended to the key",
    )
    output_template: str = Field(
        default="{output_key}/{key}",
        min_length=1,
        description="key of an output; also {etag} and {version_id}",
    )
    failure_template: str = Field(
        default="{output_key}/_failed/{key}.json",
        min_length=1,
        description="key of a failure report; also {etag} and {version_id}",
    )
    max_rejected: float = Field(
        default=0.0, ge=0, le=1, description="fraction of bad rows a file may have; 0 = none"
    )
    report_values: Literal["show", "mask"] = Field(
        default="show",
        description="mask = no cell's value in failure reports, dead-letter attributes and logs",
    )
    event_bus: str | None = Field(
        default=None,
        pattern=r"^[\w./:-]+$",
        description="name or ARN of the EventBridge bus that gets an event for each file; none if "
        "not set",
    )
    stack: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="name that numbers and events carry; the queue's if not set",
    )
    s3_client: Literal["direct", "aioboto3"] = Field(
        default="direct",
        description="client for small files: direct, or aioboto3 = the SDK, as for all other calls",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto = console on a terminal, JSON lines elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )

    @field_validator("keep_columns", mode="before")
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:  # noqa: ANN401 - any value from the environment
        return _split(value) if isinstance(value, str) else value

    @field_validator("dtypes", mode="before")
    @classmethod
    def _parse_dtypes(cls, value: Any) -> Any:  # noqa: ANN401 - any value from the environment
        if not isinstance(value, str):
            return value
        pairs = [pair.rpartition("=") for pair in _split(value)]
        types = get_args(ColumnType)
        for name, equals, column_type in pairs:
            if not name or not equals:
                raise ValueError("must be column=type, by commas")
            if column_type not in types:
                raise ValueError(f"no type {column_type!r} (of {name!r}): {', '.join(types)}")
        names = [name for name, _, _ in pairs]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"the column {repeated[0]!r} has two types")
        return tuple((name, column_type) for name, _, column_type in pairs)

    @field_validator("idle_seconds", mode="before")
    @classmethod
    def _parse_auto(cls, value: Any) -> Any:  # noqa: ANN401 - any value from the environment
        return None if value == "auto" else value

    @field_validator("queue")
    @classmethod
    def _standard_queue(cls, queue: str) -> str:
        if queue.endswith(".fifo"):
            raise ValueError("FIFO queues lose their order under concurrency; use a standard queue")
        return queue

    @field_validator("queue", "model", "output_template", "failure_template")
    @classmethod
    def _without_control_characters(cls, value: str) -> str:
        if has_control_character(value):
            raise ValueError(Advice.CONTROL_CHARACTER.fill_setting())
        return value

    @field_validator("delimiter", mode="before")
    @classmethod
    def _parse_tab(cls, value: Any) -> Any:  # noqa: ANN401 - any value from the environment
        return "\t" if value in ("tab", "\\t") else value

    @field_validator("delimiter")
    @classmethod
    def _possible_delimiter(cls, delimiter: str | None) -> str | None:
        if delimiter is not None and delimiter in "\"'\r\n\0":
            raise ValueError("a quote, a line end or NUL cannot separate cells")
        return delimiter

    @field_validator("quote", "escape", mode="before")
    @classmethod
    def _parse_none(cls, value: Any) -> Any:  # noqa: ANN401 - any value from the environment
        return None if value == "none" else value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise ValueError("no such encoding") from None
        return encoding

    @field_validator("output_template", "failure_template")
    @classmethod
    def _known_placeholders(cls, template: str) -> str:
        named = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        if unknown := named - PLACEHOLDERS:
            allowed = ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))
            name = repr(min(unknown))[1:-1]  # on one line, whatever it holds
            raise ValueError(f"unknown placeholder {{{name}}}; known are {allowed}")
        try:
            template.format(**dict.fromkeys(PLACEHOLDERS, "text"))
        except (ValueError, LookupError) as error:
            raise ValueError(f"cannot be filled: {error}") from None
        return template

    @model_validator(mode="after")
    def _check_contradictions(self) -> Self:
        if problems := list(self._contradictions()):
            raise ValueError("\n".join(problems))
        return self

    def _contradictions(self) -> Iterator[str]:
        if self.wait_seconds >= self.finish_seconds:
            yield (
                f"WORKER_WAIT_SECONDS ({self.wait_seconds}) must be below "
                f"WORKER_DRAIN_SECONDS ({self.drain_seconds:g}) by more than "
                f"{self.drain_seconds - self.finish_seconds:g}: a poll under way is finished first"
            )
        if self.output_template == self.failure_template:
            yield "WORKER_OUTPUT_TEMPLATE and WORKER_FAILURE_TEMPLATE must differ"
        if self.visibility_seconds is not None:
            yield from self._heartbeat_problem(self.visibility_seconds, "WORKER_VISIBILITY_SECONDS")
        yield from self._dialect_problems()

    def _dialect_problems(self) -> Iterator[str]:
        marks = {"DELIMITER": self.delimiter, "QUOTE": self.quote, "ESCAPE": self.escape}
        given = [(f"WORKER_{name}", mark) for name, mark in marks.items() if mark is not None]
        for (name, mark), (other, other_mark) in combinations(given, 2):
            if mark == other_mark:
                doubled = other == "WORKER_ESCAPE" and name == "WORKER_QUOTE"
                hint = ": leave WORKER_ESCAPE out if quotes are doubled" if doubled else ""
                yield f"{name} and {other} must differ (both are {mark!r}){hint}"
        if self.escape is not None and self.quote is None:
            yield (
                f"WORKER_ESCAPE ({self.escape!r}) stands before quotes, and WORKER_QUOTE is none: "
                "leave WORKER_ESCAPE out"
            )

    def _heartbeat_problem(self, visibility: int, source: str) -> Iterator[str]:
        heartbeat = self.heartbeat_seconds
        if heartbeat is not None and heartbeat >= visibility / 2:
            yield (
                f"WORKER_HEARTBEAT_SECONDS ({heartbeat:g}) must be below half of "
                f"{source} ({visibility})"
            )

    def score_options(self) -> ScoreOptions:
        """Return how a file is read and what its output looks like."""
        return ScoreOptions(
            delimiter=self.delimiter,
            encoding=self.encoding,
            quote=self.quote,
            escape=self.escape,
            has_header=self.header == "present",
            dtypes=self.dtypes,
            keep_columns=self.keep_columns,
            output_format=self.output_format,
            max_rejected=self.max_rejected,
            memory_bytes=self.memory_mb << 20,
        )

    @property
    def stack_name(self) -> str:
        """The name of the stack; of a worker without one, the name of its queue."""
        return self.stack or re.split("[/:]", self.queue)[-1]

    @property
    def finish_seconds(self) -> float:
        """The seconds of the drain in which jobs may finish; the rest is for releasing messages."""
        return self.drain_seconds - min(RELEASE_SECONDS, self.drain_seconds / 10)

    def lease_times(self, queue_visibility: int) -> tuple[int, float]:
        """Return visibility timeout and heartbeat in seconds, given the queue's own timeout.

        Raises SettingsError if they contradict each other.
        """
        visibility = self.visibility_seconds or queue_visibility
        if visibility < 1:
            raise SettingsError(
                "the queue's visibility timeout is 0; set it, or WORKER_VISIBILITY_SECONDS"
            )
        for problem in self._heartbeat_problem(visibility, "the queue's visibility timeout"):
            raise SettingsError(problem)
        return visibility, self.heartbeat_seconds or visibility / 3


def has_control_character(value: str) -> bool:
    """Return whether the value holds a line end, a tab or another control character."""
    return any(unicodedata.category(character) == "Cc" for character in value)


def _split(value: str) -> tuple[str, ...]:
    """Split at commas, as a row of a CSV."""
    try:
        return tuple(next(csv.reader([value])))
    except csv.Error as error:
        raise ValueError(f"cannot be split at its commas: {error}") from None
