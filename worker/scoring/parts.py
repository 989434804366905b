"""Predicts one part of a large file: the rows that begin between two offsets.

A file's opening decides once what all parts share: the header and the dialect, the output's form,
and the types of the columns. Batches begin anew at each part, so its predictions do not depend on
the other parts. What depends on them is left to `part_chain`: lines are counted from the part's
begin, and whether the file fails for its rejected rows is decided in the order of the file.
"""

import pickle
from dataclasses import dataclass

import pyarrow as pa

from worker.errors import NeedsTypes, TidegateError
from worker.formats import FeatureConverter, Parts, PartWriter, open_part_writer
from worker.formats.compression import PieceCompressor
from worker.interfaces import (
    Checksum,
    Compression,
    FilePlan,
    Format,
    InputReader,
    OutputHeader,
    OutputPiece,
    Part,
    PartBegin,
    PartResult,
    PartSink,
    RejectedLines,
    ScoreOptions,
)
from worker.models import Predictor
from worker.scoring.batches import BATCH_ROWS, BatchPredictor, Columns, Rejections
from worker.scoring.checks import CheckedPredictor
from worker.scoring.summary import PredictionSummary


@dataclass(frozen=True, slots=True)
class PartState:
    """What the opening of a file found out, for the processes that predict its parts."""

    parts: Parts
    output_format: Format
    first_types: str
    """What was found out about columns of which nothing is said."""


def score_part(
    file: InputReader,
    predictor: Predictor,
    options: ScoreOptions,
    plan: FilePlan,
    *,
    part: Part,
    sink: PartSink,
) -> PartResult:
    """Predict the rows of one part, and send its output.

    Raises what `score` raises, but for TooManyRejected. If the part's begin is a guess an error may
    be wrong, and its line is.
    """
    state: PartState = pickle.loads(plan.state)  # noqa: S301 - from a process of ours
    reader = state.parts.open_part(file, options, part.number, part.begin)
    sink.send_part(PartBegin(reader.begin.offset))
    columns = Columns.of(reader, predictor, options, first_types=state.first_types)
    checked = CheckedPredictor(predictor, columns.selection.kept, has_predicted=part.has_predicted)
    rejections = Rejections(
        reader,
        options.max_rejected,
        lambda rows: sink.send_part(RejectedLines(rows)),
        first_line=reader.begin.line,
    )
    predictions = BatchPredictor(
        checked,
        columns.features,
        rejections,
        _PartTypes(file, predictor, options, state.parts, columns.features, part).settle,
    )
    writer = _PartOutput(
        open_part_writer(reader, state.output_format, options),
        plan.output_compression,
        checked,
        sink,
    )
    summary = PredictionSummary(columns.selection.kept, is_wanted=options.summarize)
    rows = 0
    for batch in reader.batches(columns.selection.columns, BATCH_ROWS):
        table = predictions.predict_batch(batch)
        if table is not None:
            writer.write(table)
            summary.add(table)
            rows += table.num_rows
    checksum = writer.finish()
    share = rejections.share
    return PartResult(
        end=reader.end.offset,
        lines=reader.end.line - reader.begin.line,
        rows=rows,
        read=share.rows,
        rejected=share.rejected,
        raising=share.raising,
        shown=tuple(share.shown),
        empty=None if rows or share.file_fails else _empty_header(predictions, writer),
        checksum=checksum,
        predictions=summary.result(),
    )


@dataclass(frozen=True, slots=True)
class _PartTypes:
    """The types of the columns in a part, and where to find those of the whole file."""

    file: InputReader
    predictor: Predictor
    options: ScoreOptions
    parts: Parts
    features: FeatureConverter
    part: Part

    def settle(self, needs_rest: bool) -> None:
        """Read the whole file for its types; raises NeedsTypes as a reader of the file would."""
        if self.features.are_types_settled:
            return
        if self.part.is_guess:
            raise NeedsTypes("{}")  # nobody believes it before the part is predicted again
        found = self._whole_file()
        if needs_rest or not self.features.has_types(found):
            raise NeedsTypes(found)

    def _whole_file(self) -> str:
        reader = self.parts.open(self.file, self.options)
        columns = Columns.of(reader, self.predictor, self.options)
        for batch in reader.batches(columns.selection.columns, BATCH_ROWS):
            columns.features.add(batch)
        return columns.features.found_types()


class _PartOutput:
    """Sends tables as rows of the output, and before the first of them the output's header.

    The header is compressed for itself, as only that of one part is written.
    """

    def __init__(
        self,
        writer: PartWriter,
        compression: Compression | None,
        predictor: CheckedPredictor,
        sink: PartSink,
    ) -> None:
        self._writer = writer
        self._compression = compression
        self._rows = PieceCompressor(compression)
        self._predictor = predictor
        self._sink = sink
        self._has_header = False

    def header(self, table: pa.Table) -> OutputHeader:
        """Return what stands before the rows of a table."""
        self._has_header = True
        header, footer = self._writer.header(table)
        piece = PieceCompressor(self._compression)
        data = piece.compress(header) + piece.flush()
        return OutputHeader(data, self._predictor.columns, footer, piece.checksum)

    def write(self, table: pa.Table) -> None:
        """Send the rows of a table."""
        if not self._has_header:
            self._sink.send_part(self.header(table))
        self._send(self._rows.compress(self._writer.write(table)))

    def finish(self) -> Checksum:
        """Send what is left of the rows, and return the checksum of them all."""
        if self._has_header:
            data, groups = self._writer.finish()
            self._send(self._rows.compress(data) + self._rows.flush())
            if groups is not None:
                self._sink.send_part(groups)
        return self._rows.checksum

    def _send(self, data: bytes) -> None:
        if data:
            self._sink.send_part(OutputPiece(data, rejects=False))


def _empty_header(predictions: BatchPredictor, writer: _PartOutput) -> OutputHeader | TidegateError:
    """Return the header of an output without rows; or the error, which counts if there are none."""
    try:
        return writer.header(predictions.predict_no_rows())
    except TidegateError as error:
        return error
