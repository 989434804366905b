"""Turns one file into its predictions, a batch at a time: read, select, convert, predict, write.

A large file that can be read from the middle is predicted part by part: see `parts`.
"""

import pickle
from collections.abc import Iterator, Mapping

import pyarrow as pa

from worker.formats import (
    Parts,
    TableReader,
    TableWriter,
    compressor,
    divide,
    open_reader,
    open_writer,
)
from worker.formats.compression import Compressor
from worker.formats.packed import PackedParts
from worker.interfaces import (
    Compression,
    FilePlan,
    Format,
    InputReader,
    OutputForm,
    OutputSink,
    ScoreOptions,
    ScoreResult,
)
from worker.models import Predictor
from worker.scoring.all_parts import score_all_parts
from worker.scoring.batches import BATCH_ROWS, BatchPredictor, Columns, Rejections
from worker.scoring.checks import CheckedPredictor
from worker.scoring.content_encoding import encoding_of_output, naming_encoding
from worker.scoring.parts import PartState
from worker.scoring.rejected_rows import RejectedRowsWriter
from worker.scoring.summary import PredictionSummary

# No setting changes this either: batches begin anew at each part.
PART_BYTES = 8 << 20
_CONTENT_TYPES: Mapping[Format | Compression, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "gzip": "application/gzip",
    "zstd": "application/zstd",
}


def score(
    file: InputReader,
    predictor: Predictor,
    options: ScoreOptions,
    output: OutputSink,
    *,
    part_bytes: int = PART_BYTES,
) -> ScoreResult:
    """Predict every row of a file, and write the output; equal files give equal bytes.

    Raises Unparsable, SchemaMismatch, TooManyRejected or PredictionFailed; and NeedsTypes if later
    rows change the types of earlier ones. What was written before is then not an output.
    """
    opened = open_file(file, predictor, options, output, part_bytes=part_bytes)
    if isinstance(opened, ScoreResult):
        return opened
    output.open(opened.form)
    return score_all_parts(file, predictor, options, opened, output)


def open_file(
    file: InputReader,
    predictor: Predictor,
    options: ScoreOptions,
    output: OutputSink,
    *,
    part_bytes: int = PART_BYTES,
) -> ScoreResult | FilePlan:
    """Predict a file as `score` does; or return how to predict it part by part.

    There is no output yet if a plan is returned.
    """
    with naming_encoding(options.content_encoding):
        reader, compression = open_reader(file, options)
        columns = Columns.of(reader, predictor, options)
    form = _form(reader, compression, options)
    parts = divide(file, reader, compression, options, part_bytes)
    if parts is not None:
        return _plan(file, predictor, options, parts, form)
    rejects = RejectedRowsWriter()
    rejections = Rejections(
        reader, options.max_rejected, lambda rows: output.reject(rejects.write(rows))
    )
    tables = _predict(reader, predictor, columns, rejections)
    writer = open_writer(reader, form.converted_to or reader.format, options)
    output.open(form)
    summary = PredictionSummary(columns.selection.kept, is_wanted=options.summarize)
    rows = _write(
        summary.of(tables), writer, compressor(None if form.converted_to else compression), output
    )
    return ScoreResult(rows, rejections.share.rejected, predictions=summary.result())


def _form(
    reader: TableReader, compression: Compression | None, options: ScoreOptions
) -> OutputForm:
    output_format = options.output_format or reader.format
    is_converted = output_format != reader.format
    if is_converted:
        compression = None
    encoding = encoding_of_output(options.content_encoding, compression)
    return OutputForm(
        # What names its compression as an encoding is of the type of its content.
        content_type=_CONTENT_TYPES[
            output_format if compression is None or encoding else compression
        ],
        converted_to=output_format if is_converted else None,
        content_encoding=encoding,
    )


def _plan(
    file: InputReader, predictor: Predictor, options: ScoreOptions, parts: Parts, form: OutputForm
) -> FilePlan:
    """Return the plan of a file, of which no more is read than the types of its columns take."""
    reader = parts.open_first(file, options)
    columns = Columns.of(reader, predictor, options)
    if not columns.features.are_types_settled:
        columns.features.add(next(reader.batches(columns.selection.columns, BATCH_ROWS)))
    state = PartState(parts, form.converted_to or reader.format, columns.features.found_types())
    packed = parts if isinstance(parts, PackedParts) else None
    return FilePlan(
        form,
        parts.begin,
        parts.starts,
        parts.end,
        reader.position_unit,
        pickle.dumps(state),
        output_compression=None if form.converted_to or not packed else packed.compression,
        cut_bytes=packed.cut_bytes if packed else 0,
    )


def _predict(
    reader: TableReader, predictor: Predictor, columns: Columns, rejections: Rejections
) -> Iterator[pa.Table]:
    """Return the kept and the prediction columns of the good rows; at least one table."""
    features = columns.features
    batches = reader.batches(columns.selection.columns, BATCH_ROWS)
    predictions = BatchPredictor(
        CheckedPredictor(predictor, columns.selection.kept),
        features,
        rejections,
        lambda needs_rest: features.settle_types(batches, needs_rest=needs_rest),
    )
    has_table = is_settled = False
    for batch in batches:
        table = predictions.predict_batch(batch)
        if is_settled and batch.num_rows == BATCH_ROWS:  # a shorter batch is the last one
            rejections.share.refuse_too_many(is_read=False)
        # One batch more is read, so that the count is exact if the file ends with it.
        is_settled = rejections.file_fails_for_certain(
            has_bad_rows=features.has_bad_rows_for_certain
        )
        if table is not None:
            yield table
            has_table = True
    rejections.share.refuse_too_many()
    if not has_table:
        yield predictions.predict_no_rows()


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
