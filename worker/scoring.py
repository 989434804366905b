"""One file's bytes to its predictions' bytes: read, select, check, predict, write."""

from collections.abc import Iterator
from itertools import islice

import pandas as pd
import pyarrow as pa

from worker.errors import PredictionFailed, SchemaMismatch, TidegateError, TooManyRejected
from worker.formats import (
    Features,
    Needs,
    Source,
    open_sink,
    open_source,
    pack,
    rejects_csv,
    select,
    unpack,
)
from worker.models import Predictor
from worker.scored import Scored, ScoreOptions

# No setting changes this: predictions differ in the last bit with the row count of a batch.
BATCH_ROWS = 10_000
_SHOWN = 10
_CONTENT_TYPES = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "gzip": "application/gzip",
    "zstd": "application/zstd",
}


def score(body: bytes, predictor: Predictor, options: ScoreOptions) -> Scored:
    """Predict every row of a file; the same bytes always give the same bytes.

    Raises Unparsable, SchemaMismatch, TooManyRejected or PredictionFailed.
    """
    plain, compression = unpack(body)
    source = open_source(plain, options)
    output_format = options.output_format or source.format
    sink = open_sink(source, output_format, options)
    scoring = _Scoring(source, predictor, options)
    rows = 0
    for table in scoring.predicted():
        sink.write(table)
        rows += table.num_rows
    if converted := output_format != source.format:
        compression = None
    return Scored(
        output=pack(sink.finish(), compression),
        rows=rows,
        rejected=scoring.rejected,
        rejects=rejects_csv(source.rejects(scoring.bad)) if scoring.rejected else None,
        content_type=_CONTENT_TYPES[compression or output_format],
        converted_to=output_format if converted else None,
    )


class _Scoring:
    """The good rows of one source, predicted, and the bad ones, remembered by row number."""

    def __init__(self, source: Source, predictor: Predictor, options: ScoreOptions) -> None:
        needs = Needs.of(predictor)
        self._source = source
        self._limit = options.max_rejected
        self._selection = select(source.names, needs, options.keep_columns, typed=source.typed)
        self._features = Features(self._selection.features, needs, typed=source.typed)
        self._answers = _Answers(predictor, self._selection.kept)
        self.bad: dict[int, str] = {}

    @property
    def rejected(self) -> int:
        return self._source.malformed() + len(self.bad)

    def predicted(self) -> Iterator[pa.Table]:
        """Kept and prediction columns of the good rows; at least one table, even without rows."""
        seen = answered = 0
        for table in self._source.batches(self._selection.read, BATCH_ROWS):
            features, bad = self._features.read(table)
            self.bad |= {seen + row: reason for row, reason in bad.items()}
            seen += table.num_rows
            if bad:
                good = pa.array([row not in bad for row in range(table.num_rows)])
                table, features = table.filter(good), features.filter(good)  # noqa: PLW2901 - the good rows of it
            # With no bad row allowed the file has failed: read on only to count them.
            if features.num_rows and (self._limit or not self.rejected):
                yield self._answers.to(table, features)
                answered += 1
        self._refuse_too_many(seen + self._source.malformed())
        if not answered:
            yield self._answers.to(table.slice(0, 0), features.slice(0, 0))

    def _refuse_too_many(self, rows: int) -> None:
        if not self.rejected or self.rejected / rows <= self._limit:
            return
        shown = [
            f"{self._source.place} {reject.line}: {reject.reason}"
            for reject in islice(self._source.rejects(self.bad), _SHOWN)
        ]
        more = f"; and {self.rejected - _SHOWN} more" if self.rejected > _SHOWN else ""
        raise TooManyRejected(
            f"{self.rejected} of {rows} rows are bad, and WORKER_MAX_REJECTED={self._limit:g} "
            f"allows no more than that share: {'; '.join(shown)}{more}"
        )


class _Answers:
    """A predictor held to its word: a row for a row, and the same columns every time."""

    def __init__(self, predictor: Predictor, kept: tuple[str, ...]) -> None:
        self._predictor = predictor
        self._kept = kept
        self._schema: pa.Schema | None = None

    def to(self, table: pa.Table, features: pa.Table) -> pa.Table:
        """The table's kept columns with the predictions for its features beside them."""
        kept = table.select(self._kept)
        answer = self._ask(features.to_pandas(use_threads=False))
        if twice := set(kept.column_names) & set(answer.column_names):
            raise SchemaMismatch(
                f"{', '.join(map(repr, sorted(twice)))} is both a kept column and a prediction "
                "column: rename it in the file, or leave it out of WORKER_KEEP_COLUMNS"
            )
        if self._schema is not None and answer.schema != self._schema:
            raise PredictionFailed(
                f"the model answered {_described(self._schema)} for the first rows and "
                f"{_described(answer.schema)} for later ones"
            )
        self._schema = answer.schema
        return pa.Table.from_arrays(
            [*kept.columns, *answer.columns], schema=pa.schema([*kept.schema, *answer.schema])
        )

    def _ask(self, frame: pd.DataFrame) -> pa.Table:
        try:
            answer = self._predictor.predict(frame)
        except (TidegateError, MemoryError):
            raise
        except BaseException as error:  # SystemExit would end the worker with a status of its own
            rows = "" if len(frame) else " on a table without rows"
            raise PredictionFailed(
                f"the model raised {type(error).__name__}{rows}: {error}"
            ) from error
        if not isinstance(answer, pd.DataFrame):
            raise PredictionFailed(f"the model answered a {type(answer).__name__}, not a DataFrame")
        if len(answer) != len(frame):
            raise PredictionFailed(f"the model answered {len(answer)} rows for {len(frame)}")
        return _as_table(answer)


def _as_table(answer: pd.DataFrame) -> pa.Table:
    names = [str(name) for name in answer.columns]
    if len(set(names)) < len(names) or not names:
        raise PredictionFailed(f"the model's columns must have names that differ, not {names}")
    try:
        table = pa.Table.from_pandas(answer, preserve_index=False, nthreads=1)
    except pa.ArrowException as error:
        raise PredictionFailed(f"the model's answer has no one type a column: {error}") from error
    for name, column in zip(names, table.columns, strict=True):
        if column.null_count:
            raise PredictionFailed(f"the model answered missing values (NaN) in {name!r}")
    return table.rename_columns(names).replace_schema_metadata()


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
