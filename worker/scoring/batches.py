"""Predicts the batches of a file, one after the other, and sets their rejected rows aside."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from worker.errors import ModelRaised
from worker.formats import FeatureConverter, ModelInputs, Selection, TableReader, select_from
from worker.interfaces import MAX_SHOWN_ROWS, ScoreOptions
from worker.models import Predictor
from worker.scoring.checks import CheckedPredictor
from worker.scoring.rejected_rows import RejectedShare, other_cells

# No setting changes this: the row count of a batch changes the last bit of its predictions.
BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns to read from a file, and what makes the model's table of them."""

    selection: Selection
    features: FeatureConverter

    @classmethod
    def of(
        cls,
        reader: TableReader,
        predictor: Predictor,
        options: ScoreOptions,
        *,
        first_types: str | None = None,
    ) -> "Columns":
        """Select the columns; `first_types` is what the first batch of the file has decided."""
        inputs = ModelInputs.from_predictor(predictor)
        selection = select_from(reader, inputs, options.keep_columns)
        features = FeatureConverter(
            selection.features,
            inputs,
            cells=reader.cells,
            dtypes=dict(options.dtypes),
            found_types=options.found_types,
            first_types=first_types,
            null_count=reader.null_count,
        )
        return cls(selection, features)


class BatchPredictor:
    """Predicts the good rows of one batch after the other.

    `settle_types` is called, with whether it needs the rest of the file, when an answer may depend
    on the types of the whole file. It raises NeedsTypes unless they are those of the first batch.
    """

    def __init__(
        self,
        predictor: CheckedPredictor,
        features: FeatureConverter,
        rejections: "Rejections",
        settle_types: Callable[[bool], None],
    ) -> None:
        self._predictor = predictor
        self._features = features
        self._rejections = rejections
        self._settle_types = settle_types

    def predict_batch(self, batch: pa.Table) -> pa.Table | None:
        """Return the kept and the prediction columns of the good rows; None if there are none.

        Once the file fails for its rejected rows, the model is not called any more.
        """
        features, rejections = self._features, self._rejections
        if features.add(batch) and not rejections.file_fails:
            self._settle_types(True)
        inputs, bad = features.convert(batch)
        self._latest = batch, inputs
        table, raising = None, dict[int, str]()
        if not rejections.file_fails_with(bad):
            try:
                table, raising = self._predictor.predict_good_rows(batch, inputs, bad)
            except ModelRaised:
                # It may take the types of the whole file.
                self._settle_types(False)
                raise
            if raising:
                self._settle_types(True)
        rejections.add(batch.num_rows, bad, raising)
        return None if rejections.file_fails else table

    def predict_no_rows(self) -> pa.Table:
        """Return the columns of an output without rows, after a batch whose rows are all bad."""
        batch, inputs = self._latest
        return self._predictor.predict(batch.slice(0, 0), inputs[:0])


class Rejections:
    """Counts the rejected rows, keeps the first ones for the error, and passes them to `write`.

    Their lines are counted from `first_line`.
    """

    def __init__(
        self,
        reader: TableReader,
        limit: float,
        write: Callable[[Sequence[tuple[int, bytes]]], None],
        *,
        first_line: int = 0,
    ) -> None:
        self.share = RejectedShare(limit, reader.position_unit)
        self._reader = reader
        self._write = write
        self._first_line = first_line
        self._well_formed = 0
        self._bad = 0  # well-formed rows that do not fit, or that the model raises on
        self._processed = 0  # rejected rows that are shown and written

    def file_fails_for_certain(self, *, has_bad_rows: bool) -> bool:
        """Return whether the rest of the file cannot change that it fails.

        `has_bad_rows` is whether a cell is bad whatever the types of the whole file are. These are
        settled when the model raises.
        """
        certain = has_bad_rows or self.share.raising > 0 or self._reader.malformed_count() > 0
        return self.file_fails and certain

    @property
    def file_fails(self) -> bool:
        """Whether the file fails already, also for malformed rows of a batch to be added."""
        fails = self.share.rejected > 0 or self._reader.malformed_count() > 0
        return fails and not self.share.limit

    def file_fails_with(self, bad: Mapping[int, str]) -> bool:
        """Return whether the file fails already, or will with these bad rows."""
        return self.file_fails or (bool(bad) and not self.share.limit)

    def add(self, rows: int, bad: Mapping[int, str], raising: Mapping[int, str]) -> None:
        """Add the latest batch: its row count, its bad rows, and those that the model raises on."""
        share, bad = self.share, {**bad, **raising}
        self._well_formed += rows
        self._bad += len(bad)
        malformed = self._reader.malformed_count()
        share.rows = self._well_formed + malformed
        share.rejected = malformed + self._bad
        share.raising += len(raising)
        all_shown = len(share.shown) == MAX_SHOWN_ROWS
        if share.rejected == self._processed or (share.file_fails and all_shown):
            return
        self._processed = share.rejected
        found = list(self._reader.rejected_rows(bad))
        share.shown += [
            (row.line - self._first_line, row.reason)
            for row in found[: MAX_SHOWN_ROWS - len(share.shown)]
        ]
        if share.limit:
            self._write(
                [(row.line - self._first_line, other_cells(row.reason, row.row)) for row in found]
            )
