"""Tries a model on a file: what a worker would read, reject and predict. Nothing is written."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tidegate.offline.baseline import Baseline
from tidegate.offline.files import FileReader
from tidegate.offline.scoring import Failed, Predicted, predict_file
from worker.distributions import Distributions
from worker.errors import TidegateError, error_text
from worker.formats import TableReader, open_reader
from worker.formats.csv.reader import CsvReader
from worker.interfaces import OutputForm, ScoreOptions
from worker.models import Predictor

SHOWN_PREDICTIONS = 5
SHOWN_BAD_ROWS = 10
KEPT_BYTES = 1 << 20


class NotSummarized(TidegateError):
    """The files make no baseline."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that gets no prediction: its line, or its row in Parquet, and the reason."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What a model makes of one file."""

    path: Path
    form: str
    """The format, with compression, delimiter and encoding where the file has them."""
    columns: int
    result: Predicted | Failed
    bad_rows: tuple[BadRow, ...] = ()
    """The first bad rows."""
    predictions: tuple[tuple[str, ...], ...] = ()
    """The header and the first rows of the output."""
    share_allowed: float = 0.0

    @property
    def has_bad_rows(self) -> bool:
        """Whether some rows, but not the whole file, cannot be predicted."""
        return isinstance(self.result, Predicted) and self.result.rejected > 0

    @property
    def file_fails(self) -> bool:
        """Whether a worker would refuse the file for its bad rows."""
        if isinstance(self.result, Failed):
            return True
        read = self.result.rows + self.result.rejected
        return self.result.rejected > self.share_allowed * read


def try_file(path: Path, predictor: Predictor, options: ScoreOptions) -> Trial:
    """Read and predict a whole file; all bad rows are counted, however many are allowed."""
    try:
        form, columns, delimiter = _form(path, options)
    except (TidegateError, OSError) as error:
        return Trial(
            path, "unknown", 0, Failed(type(error).__name__, error_text(error), is_permanent=True)
        )
    sample = _Sample()
    every_row = replace(options, max_rejected=1.0, output_format="csv")
    result = predict_file(path, predictor, every_row, sample)
    return Trial(
        path,
        form,
        columns,
        result,
        bad_rows=tuple(sample.bad_rows()),
        predictions=tuple(sample.predictions(delimiter)),
        share_allowed=options.max_rejected,
    )


def baseline_of(model_sha256: str, trials: Sequence[Trial]) -> Baseline:
    """Summarize the predictions for all files; raises NotSummarized if one is not predicted."""
    rows, predictions = 0, Distributions()
    for trial in trials:
        if trial.file_fails or not isinstance(trial.result, Predicted):
            raise NotSummarized(
                f"no baseline is written: {trial.path} is not predicted. Mend the file, allow its "
                "bad rows by --set MAX_REJECTED, or leave the file out"
            )
        rows += trial.result.rows
        predictions = predictions.merge(trial.result.predictions or Distributions())
    if not rows:
        raise NotSummarized("no baseline is written: it needs files with rows, so name a FILE")
    return Baseline(model_sha256, [trial.path.name for trial in trials], rows, predictions)


def _form(path: Path, options: ScoreOptions) -> tuple[str, int, str]:
    """Describe the format of a file; return its columns' count, and the delimiter of its output."""
    with path.open("rb") as file:
        reader, compression = open_reader(FileReader(file), options)
        packed = f", {compression}" if compression else ""
        delimiter = reader.delimiter if isinstance(reader, CsvReader) else ","
        return f"{_format(reader, options)}{packed}", len(reader.names), delimiter


def _format(reader: TableReader, options: ScoreOptions) -> str:
    names = {"csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet"}
    described = names[reader.format]
    if isinstance(reader, CsvReader):
        described += f", delimiter {reader.delimiter!r}, {options.encoding}"
        described += "" if reader.has_names else ", no header"
    return described


class _Sample:
    """Implements tidegate.offline.scoring.Output: keeps the beginning of what is written."""

    def __init__(self) -> None:
        self._output, self._rejects = bytearray(), bytearray()

    def open(self, form: OutputForm) -> None:
        """Nothing depends on the form, which is always CSV."""

    def write(self, data: bytes) -> None:
        """Keep the first bytes."""
        self._output += data[: KEPT_BYTES - len(self._output)]

    def reject(self, data: bytes) -> None:
        """Keep the first bytes of the rejected rows."""
        self._rejects += data[: KEPT_BYTES - len(self._rejects)]

    def publish(self) -> None:
        """Nothing is written."""

    def __enter__(self) -> Self:
        self._output.clear()
        self._rejects.clear()
        return self

    def __exit__(self, *_: object) -> None:
        """Keep the sample."""

    def predictions(self, delimiter: str) -> list[tuple[str, ...]]:
        """Return the header and the first rows of the output."""
        return _rows(self._output, delimiter)[: 1 + SHOWN_PREDICTIONS]

    def bad_rows(self) -> list[BadRow]:
        """Return the first rejected rows."""
        rows = _rows(self._rejects, ",")[1 : 1 + SHOWN_BAD_ROWS]
        return [BadRow(int(line), reason) for line, reason, *_ in rows]


def _rows(data: bytearray, delimiter: str) -> list[tuple[str, ...]]:
    """Return the rows of a CSV whose last row may be cut off; there are more than are shown."""
    text = io.StringIO(data.decode(errors="replace"), newline="")
    return [tuple(row) for row in csv.reader(text, delimiter=delimiter)]
