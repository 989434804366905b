"""What the workers' log lines say of a run, summed in one pass: of each file a number is kept."""

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tidegate.operating.log_lines import Line
from worker.distributions import Distributions

DONE, PREDICTED = "job done", "predicted"
LISTED = 10  # files in each list
PERIODS = 60  # points of the line of throughput, at most
MOST_WORKERS = 1000  # that are counted one by one
MOST_MODELS = 5
MOST_COLUMNS = 100  # of predictions, of each model


@dataclass(frozen=True, slots=True)
class PredictedFile:
    """One prediction of a file, as its worker logged it."""

    input: str
    seconds: float
    rows: int
    rejected: int
    worker: str

    @classmethod
    def of(cls, line: Line) -> "PredictedFile":
        """Read a log line; what is no number counts as zero."""
        return cls(
            line.file,
            _number(line.fields.get("seconds")),
            int(_number(line.fields.get("rows"))),
            int(_number(line.fields.get("rejected"))),
            line.task,
        )


@dataclass(frozen=True, slots=True)
class Throughput:
    """Rows that were predicted in each period of equal length."""

    began: datetime
    period: timedelta
    rows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Work:
    """The sums over a run's log lines, and the files that stand out."""

    files: int
    """Each counts once; rows and seconds count as often as the file was predicted."""
    rows: int
    rejected: int
    seconds: float
    files_with_rejected: int
    slowest: Sequence[PredictedFile]
    most_rejected: Sequence[PredictedFile]
    throughput: Throughput
    workers: Mapping[str, int]
    """How many files each worker predicted."""
    models: Sequence[tuple[str, str]]
    """The URI and the digest of each model that made a prediction."""
    predictions: Mapping[str, Distributions]
    """How the predictions are distributed, by the model's digest: each version of a file once."""
    not_summarized: int
    """How many predictions of files have no summary."""


def sum_up(lines: Iterable[Line], run: str, began: datetime, ended: datetime) -> Work:
    """Sum the lines of a run's predictions."""
    sums = _Sums(began, _period(began, ended))
    for line in lines:
        is_of_run = line.event == DONE and line.fields.get("run") == run
        if is_of_run and line.fields.get("status", PREDICTED) == PREDICTED:
            sums.add(line)
    return sums.work()


def _period(began: datetime, ended: datetime) -> timedelta:
    return timedelta(seconds=max(1, math.ceil((ended - began).total_seconds() / PERIODS)))


@dataclass(slots=True)
class _Sums:
    began: datetime
    period: timedelta
    files: set[int] = field(default_factory=set)
    """The hashes of their names."""
    rows: int = 0
    rejected: int = 0
    seconds: float = 0.0
    with_rejected: int = 0
    slowest: "_Largest" = field(default_factory=lambda: _Largest(lambda one: one.seconds))
    most_rejected: "_Largest" = field(default_factory=lambda: _Largest(lambda one: one.rejected))
    rows_at: Counter[int] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)
    models: dict[tuple[str, str], None] = field(default_factory=dict)
    versions: set[int] = field(default_factory=set)
    """The hashes of the versions whose predictions were added, and of their models."""
    predictions: dict[str, Distributions] = field(default_factory=dict)
    not_summarized: int = 0

    def add(self, line: Line) -> None:
        one = PredictedFile.of(line)
        self.files.add(hash(one.input))
        self.rows += one.rows
        self.rejected += one.rejected
        self.seconds += one.seconds
        self.slowest.add(one)
        if one.rejected:
            self.with_rejected += 1
            self.most_rejected.add(one)
        # A line may be a little later than the output whose time ends the run.
        place = max(0, (line.time - self.began) // self.period)
        self.rows_at[min(place, PERIODS - 1)] += one.rows
        if one.worker in self.workers or len(self.workers) < MOST_WORKERS:
            self.workers[one.worker] += 1
        model = (str(line.fields.get("model", "")), str(line.fields.get("model_sha256", "")))
        if model in self.models or len(self.models) < MOST_MODELS:
            self.models[model] = None
            self.add_predictions(line, model[1])
        else:
            self.not_summarized += 1

    def add_predictions(self, line: Line, model: str) -> None:
        """Add a file's predictions, unless that version has been added: messages may come twice."""
        etag, version_id = line.fields.get("etag"), line.fields.get("version_id")
        version = hash((line.file, str(etag), str(version_id), model))
        if version in self.versions:
            return
        found = Distributions.from_fields(line.fields.get("predictions"))
        if found is None:
            self.not_summarized += 1
            return
        self.versions.add(version)
        so_far = self.predictions.setdefault(model, Distributions())
        if len(so_far.columns.keys() | found.columns.keys()) <= MOST_COLUMNS:
            self.predictions[model] = so_far.merge(found)
        else:
            self.not_summarized += 1

    def work(self) -> Work:
        last = max(self.rows_at, default=-1)
        rows = [self.rows_at[place] for place in range(last + 1)]
        return Work(
            len(self.files),
            self.rows,
            self.rejected,
            self.seconds,
            self.with_rejected,
            self.slowest.found(),
            self.most_rejected.found(),
            Throughput(self.began, self.period, rows),
            dict(self.workers.most_common()),
            list(self.models),
            self.predictions,
            self.not_summarized,
        )


class _Largest:
    """The files with the largest values, of any number of them."""

    def __init__(self, value: Callable[[PredictedFile], float]) -> None:
        self._value = value
        self._heap: list[tuple[float, int, PredictedFile]] = []
        self._added = 0

    def add(self, one: PredictedFile) -> None:
        self._added += 1
        entry = (self._value(one), -self._added, one)  # of equal ones the earlier stays
        if len(self._heap) < LISTED:
            heapq.heappush(self._heap, entry)
        else:
            heapq.heappushpop(self._heap, entry)

    def found(self) -> list[PredictedFile]:
        return [one for _, _, one in sorted(self._heap, reverse=True)]


def _number(value: object) -> float:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number else 0.0  # type: ignore[arg-type] # the line above
