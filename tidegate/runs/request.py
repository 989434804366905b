"""What somebody asked for: the request of a run, as it is recorded beside the outputs."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Self

from tidegate.aws.listing import Listed
from tidegate.runs.messages import Submission

VERSION = 1  # of request.json


@dataclass(frozen=True, slots=True)
class Request:
    """A run: which inputs are to be predicted, and how."""

    run: str
    stack: str
    by: str
    """The caller's ARN."""
    began: datetime
    """By S3's clock, from before the first look at the inputs: the run's results are not older."""
    bucket: str
    prefix: str
    output_bucket: str
    output_key: str
    model: str
    model_sha256: str = ""
    named: bool = False
    """Whether each input was named, and not the prefix."""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: datetime | None = None
    limit: int | None = None
    again: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def submission(self) -> Submission:
        """What the run's messages have in common."""
        return Submission(
            self.bucket,
            self.output_bucket,
            self.output_key,
            self.run,
            dict(self.settings),
            again=self.again,
        )

    @property
    def source(self) -> str:
        """The inputs, for people."""
        return "the named files" if self.named else f"s3://{self.bucket}/{self.prefix}"

    def selection(self, suffixes: tuple[str, ...]) -> "Selection":
        """Return the rule for the inputs; named ones are inputs whatever their suffix."""
        return Selection(() if self.named else suffixes, self.include, self.exclude, self.since)

    def asks_as(self, other: Self) -> bool:
        """Return whether another request asks for the same, whoever made it and when."""
        of_one = ("run", "by", "began", "model", "model_sha256")
        same = [one.name for one in fields(self) if one.name not in of_one]
        return all(getattr(self, name) == getattr(other, name) for name in same)

    def to_json(self) -> str:
        """Return the text of request.json."""
        facts = {"version": VERSION, **asdict(self)}
        return json.dumps(facts, indent=2, default=lambda moment: moment.isoformat())

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read request.json."""
        facts: dict[str, Any] = json.loads(text)
        known = {one.name: facts[one.name] for one in fields(cls) if one.name in facts}
        for name in ("began", "since"):
            known[name] = datetime.fromisoformat(known[name]) if known.get(name) else None
        for name in ("include", "exclude"):
            known[name] = tuple(known[name])
        return cls(**known)


def new_run(now: datetime | None = None) -> str:
    """Return the name of a new run, which sorts behind those of earlier runs."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    return f"{moment}-{secrets.token_hex(2)}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects are inputs of a run. Globs are of whole keys, and `*` goes over slashes.

    By the suffixes the dispatcher tells a job from another object. They do not count where
    `include` says what a job is.
    """

    suffixes: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: datetime | None = None

    def takes(self, one: Listed) -> bool:
        """Return whether an object is an input."""
        if self.since is not None and one.modified < self.since:
            return False
        if self.include:
            if not any(fnmatchcase(one.key, glob) for glob in self.include):
                return False
        elif self.suffixes and not one.key.lower().endswith(self.suffixes):
            return False
        return not any(fnmatchcase(one.key, glob) for glob in self.exclude)


def suffixes_of(parameter: str) -> tuple[str, ...]:
    """Read the stack's parameter Suffixes, as the dispatcher does."""
    return tuple(part.strip() for part in parameter.lower().split(",") if part.strip())
