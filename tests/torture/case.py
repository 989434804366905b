"""A hard file, and what must come of it."""

import hashlib
from dataclasses import dataclass

from tests.torture.runs import STRICT, Run

_LONGEST_KEY = 1024
_PREFIX = "p"  # under which a worker's outputs go


@dataclass(frozen=True, slots=True)
class Predicted:
    """An output, and the rejected rows beside it (None: no such file)."""

    output: bytes
    rejects: bytes | None
    suffix: str  # of the output's key, where its format is another than the file's


@dataclass(frozen=True, slots=True)
class Refused:
    """The type of an error, and words that its report must hold."""

    error_type: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A file under a key, as the worker of a run meets it."""

    run: Run
    key: str
    body: bytes
    outcome: Predicted | Refused

    @property
    def output_key(self) -> str:
        """Where its output goes."""
        suffix = self.outcome.suffix if isinstance(self.outcome, Predicted) else ""
        return f"{_PREFIX}/{self.key}{suffix}"

    @property
    def rejects_key(self) -> str:
        """Where its rejected rows go."""
        return f"{self.output_key}.rejected.csv"

    @property
    def report_key(self) -> str:
        """Where the report goes if it fails."""
        key = f"{_PREFIX}/_failed/{self.key}.json"
        if len(key.encode()) <= _LONGEST_KEY:
            return key
        return f"{_PREFIX}/_failed/{hashlib.sha256(self.key.encode()).hexdigest()}.json"

    @property
    def written(self) -> set[str]:
        """The keys of all that comes of it."""
        if isinstance(self.outcome, Refused):
            return {self.report_key}
        return {self.output_key} | ({self.rejects_key} if self.outcome.rejects else set())

    def __str__(self) -> str:
        return f"{self.run.name}/{self.key}"


def gives(
    key: str,
    body: bytes,
    output: bytes,
    *,
    rejects: bytes | None = None,
    suffix: str = "",
    run: Run = STRICT,
) -> Case:
    """A file that is predicted."""
    return Case(run, key, body, Predicted(output, rejects, suffix))


def refused(key: str, body: bytes, error_type: str, *words: str, run: Run = STRICT) -> Case:
    """A file that fails for good."""
    return Case(run, key, body, Refused(error_type, words))
