"""A test case: a hard file, and its expected outcome."""

import hashlib
from dataclasses import dataclass

from tests.torture.runs import STRICT, Run

_LONGEST_KEY = 1024
_PREFIX = "p"  # of the keys of all outputs


@dataclass(frozen=True, slots=True)
class Predicted:
    """The file is predicted: its output, and its file of rejected rows (None: there is none)."""

    output: bytes
    rejects: bytes | None
    suffix: str  # of the output's key, if the output has another format than the file


@dataclass(frozen=True, slots=True)
class Refused:
    """The file fails: the type of the error, and words that the report must contain."""

    error_type: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A file with its key, the run whose worker reads it, and the expected outcome."""

    run: Run
    key: str
    body: bytes
    outcome: Predicted | Refused

    @property
    def output_key(self) -> str:
        """The key of the output."""
        suffix = self.outcome.suffix if isinstance(self.outcome, Predicted) else ""
        return f"{_PREFIX}/{self.key}{suffix}"

    @property
    def rejects_key(self) -> str:
        """The key of the rejected rows."""
        return f"{self.output_key}.rejected.csv"

    @property
    def report_key(self) -> str:
        """The key of the failure report."""
        key = f"{_PREFIX}/_failed/{self.key}.json"
        if len(key.encode()) <= _LONGEST_KEY:
            return key
        return f"{_PREFIX}/_failed/{hashlib.sha256(self.key.encode()).hexdigest()}.json"

    @property
    def written(self) -> set[str]:
        """The keys of all files that the worker must write."""
        if isinstance(self.outcome, Refused):
            return {self.report_key}
        return {self.output_key} | ({self.rejects_key} if self.outcome.rejects else set())

    def __str__(self) -> str:
        return f"{self.run.name}/{self.key}"


def predicted(
    key: str,
    body: bytes,
    output: bytes,
    *,
    rejects: bytes | None = None,
    suffix: str = "",
    run: Run = STRICT,
) -> Case:
    """Return a case whose file is predicted."""
    return Case(run, key, body, Predicted(output, rejects, suffix))


def refused(key: str, body: bytes, error_type: str, *words: str, run: Run = STRICT) -> Case:
    """Return a case whose file fails permanently."""
    return Case(run, key, body, Refused(error_type, words))
