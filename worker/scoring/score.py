"""Turns one file into its predictions, a batch at a time: read, select, convert, predict, write."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from worker.errors import ModelRaised, TooManyRejected
from worker.formats import (
    Compression,
    FeatureConverter,
    ModelInputs,
    RejectedRow,
    RejectedRowsWriter,
    TableReader,
    TableWriter,
    compressor,
    open_reader,
    open_writer,
    select_from,
)
from worker.formats.base import MAX_SHOWN_ROWS
from worker.formats.compression import Compressor
from worker.interfaces import Format, InputReader, OutputForm, OutputSink, ScoreOptions, ScoreResult
from worker.models import Predictor
from worker.scoring.checks import CheckedPredictor
from worker.scoring.content_encoding import encoding_of_output, naming_encoding

# No setting changes this: the row count of a batch changes the last bit of its predictions.
BATCH_ROWS = 10_000
_CONTENT_TYPES: Mapping[Format | Compression, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "gzip": "application/gzip",
    "zstd": "application/zstd",
}


def score(
    file: InputReader, predictor: Predictor, options: ScoreOptions, output: OutputSink
) -> ScoreResult:
    """Predict every row of a file, and write the output; equal files give equal bytes.

    Raises Unparsable, SchemaMismatch, TooManyRejected or PredictionFailed; and NeedsTypes if later
    rows change the types of earlier ones. What was written before is then not an output.
    """
    with naming_encoding(options.content_encoding):
        reader, compression = open_reader(file, options)
        rejections = _Rejections(reader, options.max_rejected, output)
        tables = _predict(reader, predictor, options, rejections)
    output_format = options.output_format or reader.format
    converted = output_format != reader.format
    if converted:
        compression = None
    writer = open_writer(reader, output_format, options)
    encoding = encoding_of_output(options.content_encoding, compression)
    output.open(
        OutputForm(
            # What names its compression as an encoding is of the type of its content.
            content_type=_CONTENT_TYPES[
                output_format if compression is None or encoding else compression
            ],
            converted_to=output_format if converted else None,
            content_encoding=encoding,
        )
    )
    rows = _write(tables, writer, compressor(compression), output)
    return ScoreResult(rows, rejections.count)


def _write(
    tables: Iterator[pa.Table], writer: TableWriter, compressor: Compressor, output: OutputSink
) -> int:
    """Write all tables to the output, and return the count of their rows."""
    rows = 0
    for table in tables:
        if data := compressor.compress(writer.write(table)):
            output.write(data)
        rows += table.num_rows
    if data := compressor.compress(writer.finish()) + compressor.flush():
        output.write(data)
    return rows


def _predict(
    reader: TableReader, predictor: Predictor, options: ScoreOptions, rejections: "_Rejections"
) -> Iterator[pa.Table]:
    """Select the columns now, so that a wrong file opens no output; predict as tables are taken."""
    inputs = ModelInputs.from_predictor(predictor)
    selection = select_from(reader, inputs, options.keep_columns)
    return _predict_batches(
        reader.batches(selection.columns, BATCH_ROWS),
        FeatureConverter(
            selection.features,
            inputs,
            cells=reader.cells,
            dtypes=dict(options.dtypes),
            found_types=options.found_types,
            null_count=reader.null_count,
        ),
        CheckedPredictor(predictor, selection.kept),
        rejections,
    )


def _predict_batches(
    batches: Iterator[pa.Table],
    features: FeatureConverter,
    predictor: CheckedPredictor,
    rejections: "_Rejections",
) -> Iterator[pa.Table]:
    """Return the kept and the prediction columns of the good rows; at least one table."""
    has_table = is_settled = False
    for batch in batches:
        if features.add(batch) and not rejections.file_fails:
            features.settle_types(batches, needs_rest=True)
        inputs, bad = features.convert(batch)
        table, raising = None, dict[int, str]()
        if not rejections.file_fails_with(bad):
            try:
                table, raising = predictor.predict_good_rows(batch, inputs, bad)
            except ModelRaised:
                # It may take the types of the whole file.
                features.settle_types(batches, needs_rest=False)
                raise
            if raising:
                features.settle_types(batches, needs_rest=True)
        rejections.add(batch.num_rows, bad, raising)
        if is_settled and batch.num_rows == BATCH_ROWS:  # a shorter batch is the last one
            rejections.refuse_too_many(is_read=False)
        # One batch more is read, so that the count is exact if the file ends with it.
        is_settled = rejections.file_fails_for_certain(features.has_bad_rows_for_certain)
        if table is not None and not rejections.file_fails:
            yield table
            has_table = True
    rejections.refuse_too_many()
    if not has_table:
        yield predictor.predict(batch.slice(0, 0), inputs[:0])


class _Rejections:
    """Counts the rejected rows of a file, keeps the first ones for the error, and writes them."""

    def __init__(self, reader: TableReader, limit: float, output: OutputSink) -> None:
        self._reader = reader
        self._limit = limit
        self._output = output
        self._writer = RejectedRowsWriter()
        self._well_formed = 0
        self._bad = 0  # well-formed rows that do not fit, or that the model raises on
        self._raising = 0
        self._processed = 0  # rejected rows that are shown and written
        self._shown: list[RejectedRow] = []

    @property
    def count(self) -> int:
        """The count of rejected rows so far."""
        return self._reader.malformed_count() + self._bad

    @property
    def file_fails(self) -> bool:
        """Whether the file fails already: the rest is read only to count rejected rows."""
        return self.count > 0 and not self._limit

    def file_fails_for_certain(self, has_bad_rows: bool) -> bool:
        """Return whether the rest of the file cannot change that it fails.

        `has_bad_rows` is whether a cell is bad whatever the types of the whole file are. These are
        settled when the model raises.
        """
        certain = has_bad_rows or self._raising > 0 or self._reader.malformed_count() > 0
        return self.file_fails and certain

    def file_fails_with(self, bad: Mapping[int, str]) -> bool:
        """Return whether the file fails already, or will with these bad rows."""
        return self.file_fails or (bool(bad) and not self._limit)

    def add(self, rows: int, bad: Mapping[int, str], raising: Mapping[int, str]) -> None:
        """Add the latest batch: its row count, its bad rows, and those that the model raises on."""
        bad = {**bad, **raising}
        self._well_formed += rows
        self._bad += len(bad)
        self._raising += len(raising)
        all_shown = len(self._shown) == MAX_SHOWN_ROWS
        if self.count == self._processed or (self.file_fails and all_shown):
            return
        self._processed = self.count
        rejected = list(self._reader.rejected_rows(bad))
        self._shown += rejected[: MAX_SHOWN_ROWS - len(self._shown)]
        if self._limit:
            self._output.reject(self._writer.write(rejected))

    def refuse_too_many(self, *, is_read: bool = True) -> None:
        """Raise TooManyRejected if the share of rejected rows exceeds the limit.

        `is_read` is whether all rows are read; if not, the file must fail for certain.
        """
        rows = self._well_formed + self._reader.malformed_count()
        if not self.count or self.count / rows <= self._limit:
            return
        shown = [f"{self._reader.position_unit} {row.line}: {row.reason}" for row in self._shown]
        more = f"; and {self.count - len(shown)} more" if self.count > len(shown) else ""
        # Once the file fails the model is not called any more; it might raise on more rows.
        at_least = "at least " if not is_read or (self._raising and self.file_fails) else ""
        raise TooManyRejected(
            f"{at_least}{self.count} of {'' if is_read else 'the first '}{rows} rows are bad, and "
            f"WORKER_MAX_REJECTED={self._limit:g} allows no more than that share: "
            f"{'; '.join(shown)}{more}{'' if is_read else '; the rest was not read'}"
        )
