"""Predicts one file, and says what became of it."""

import resource
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tidegate.offline.files import FileReader
from worker.distributions import Distributions
from worker.errors import NeedsTypes, PermanentError, TidegateError, error_text
from worker.interfaces import OutputSink, ScoreOptions, ScoreResult
from worker.models import Predictor
from worker.scoring.score import score


class Output(OutputSink, AbstractContextManager[Any], Protocol):
    """Where the predictions of one file go; entering it begins again, and nothing shows before."""

    def publish(self) -> None:
        """Make the output visible."""
        ...


@dataclass(frozen=True, slots=True)
class Predicted:
    """A file that was predicted."""

    rows: int
    rejected: int
    seconds: float
    predictions: Distributions | None = None
    """How they are distributed; None: not asked for."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that was not predicted, with the reason as a failure report says it."""

    error_type: str
    message: str
    is_permanent: bool


def predict_file(
    path: Path, predictor: Predictor, options: ScoreOptions, output: Output
) -> Predicted | Failed:
    """Predict a file, and publish its output."""
    began = time.monotonic()
    try:
        result = _predict(path, predictor, options, output)
    except TidegateError as error:
        return Failed(type(error).__name__, error_text(error), isinstance(error, PermanentError))
    except OSError as error:
        return Failed(type(error).__name__, str(error), is_permanent=False)
    seconds = time.monotonic() - began
    return Predicted(result.rows, result.rejected, seconds, result.predictions)


def _predict(
    path: Path, predictor: Predictor, options: ScoreOptions, output: Output
) -> ScoreResult:
    while True:
        try:
            with path.open("rb") as file, output:
                result = score(FileReader(file), predictor, options, output)
                output.publish()
                return result
        except NeedsTypes as error:  # as a worker does, begin again with the types of later rows
            options = replace(options, found_types=str(error))


def peak_memory_bytes() -> int:
    """Return the most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10  # macOS counts bytes, Linux KiB
