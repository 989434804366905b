"""One file to its predictions, a batch at a time: read, select, check, predict, write."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from worker.errors import TooManyRejected
from worker.formats import (
    Compression,
    Features,
    Needs,
    Reject,
    RejectsSink,
    Source,
    compressor,
    open_sink,
    open_source,
    select,
)
from worker.formats.base import SHOWN_REJECTS
from worker.interfaces import Format, InputReader, OutputForm, OutputSink, ScoreOptions, ScoreResult
from worker.models import Predictor
from worker.scoring.checks import Answers

# No setting changes this: predictions differ in the last bit with the row count of a batch.
BATCH_ROWS = 10_000
_CONTENT_TYPES: Mapping[Format | Compression, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "gzip": "application/gzip",
    "zstd": "application/zstd",
}


def score(
    reader: InputReader, predictor: Predictor, options: ScoreOptions, output: OutputSink
) -> ScoreResult:
    """Predict every row of a file; the same bytes always give the same bytes.

    Raises Unparsable, SchemaMismatch, TooManyRejected or PredictionFailed, and what was written
    until then is no output.
    """
    source, compression = open_source(reader, options)
    rejected = _Rejected(source, options.max_rejected, output)
    tables = _predict(source, predictor, options, rejected)
    output_format = options.output_format or source.format
    converted = output_format != source.format
    if converted:
        compression = None
    sink = open_sink(source, output_format, options)
    packed = compressor(compression)
    output.open(
        OutputForm(
            content_type=_CONTENT_TYPES[compression or output_format],
            converted_to=output_format if converted else None,
        )
    )
    rows = 0
    for table in tables:
        if data := packed.compress(sink.write(table)):
            output.write(data)
        rows += table.num_rows
    if data := packed.compress(sink.finish()) + packed.flush():
        output.write(data)
    return ScoreResult(rows, rejected.count)


def _predict(
    source: Source, predictor: Predictor, options: ScoreOptions, rejected: "_Rejected"
) -> Iterator[pa.Table]:
    needs = Needs.of(predictor)
    selection = select(source.names, needs, options.keep_columns, cells=source.cells)
    return _answered(
        source.batches(selection.read, BATCH_ROWS),
        Features(selection.features, needs, cells=source.cells),
        Answers(predictor, selection.kept),
        rejected,
    )


def _answered(
    batches: Iterator[pa.Table], features: Features, answers: Answers, rejected: "_Rejected"
) -> Iterator[pa.Table]:
    """Kept and prediction columns of the good rows; at least one table, even without rows."""
    answered = False
    for batch in batches:
        frame, bad = features.frame(batch)
        table, refusals = None, dict[int, str]()
        if not rejected.fails_with(bad):
            table, refusals = answers.of(batch, frame, bad)
        rejected.add(batch.num_rows, bad, refusals)
        if table is not None and not rejected.hopeless:
            yield table
            answered = True
    rejected.refuse_too_many()
    if not answered:
        yield answers.to(batch.slice(0, 0), frame.iloc[:0])


class _Rejected:
    """The rows of a file that are set aside: counted, the first ones shown, and written."""

    def __init__(self, source: Source, limit: float, output: OutputSink) -> None:
        self._source = source
        self._limit = limit
        self._outlet = output
        self._sink = RejectsSink()
        self._well_formed = self._bad = self._refused = self._told = 0
        self._shown: list[Reject] = []

    @property
    def count(self) -> int:
        """How many there are so far."""
        return self._source.malformed() + self._bad

    @property
    def hopeless(self) -> bool:
        """Whether the file has failed already: it is read on only to count."""
        return self.count > 0 and not self._limit

    def fails_with(self, bad: Mapping[int, str]) -> bool:
        """Whether these rows, or any before them, are more than the file may have."""
        return self.hopeless or (bool(bad) and not self._limit)

    def add(self, rows: int, bad: Mapping[int, str], refused: Mapping[int, str]) -> None:
        """Take what is set aside of the batch last read: bad rows, and those the model refused."""
        bad = {**bad, **refused}
        self._well_formed += rows
        self._bad += len(bad)
        self._refused += len(refused)
        if self.count == self._told or (self.hopeless and len(self._shown) == SHOWN_REJECTS):
            return
        self._told = self.count
        rejects = list(self._source.rejects(bad))
        self._shown += rejects[: SHOWN_REJECTS - len(self._shown)]
        if self._limit:
            self._outlet.reject(self._sink.write(rejects))

    def refuse_too_many(self) -> None:
        """Raise TooManyRejected past the limit, once all rows are read."""
        rows = self._well_formed + self._source.malformed()
        if not self.count or self.count / rows <= self._limit:
            return
        shown = [f"{self._source.place} {reject.line}: {reject.reason}" for reject in self._shown]
        more = f"; and {self.count - len(shown)} more" if self.count > len(shown) else ""
        # Past the limit the model is not asked any more, and may have refused more rows.
        least = "at least " if self._refused and self.hopeless else ""
        raise TooManyRejected(
            f"{least}{self.count} of {rows} rows are bad, and WORKER_MAX_REJECTED={self._limit:g} "
            f"allows no more than that share: {'; '.join(shown)}{more}"
        )
