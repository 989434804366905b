"""Checks what a model returns; if it raises, row bisection finds the rows that it raises on."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from worker.errors import ModelRaised, PredictionFailed, SchemaMismatch, TidegateError
from worker.formats import Features
from worker.models import Columns, Predictor, SklearnPredictor
from worker.quoting import is_masked, message_of

# After raising on so many single rows, a model that has never returned fails on any row.
GIVE_UP_AFTER = 100

Predict = Callable[[Features], object]

# numpy's kinds of arrays that pandas leaves as they are: booleans, whole numbers and floats.
_PLAIN_KINDS = "biuf"


def rows_that_raise(predict: Predict, features: Features, *, has_predicted: bool) -> dict[int, str]:
    """Return the message for each row that the model raises on, by row number from 0.

    It is empty if there is no such row. It is also empty if the model raises on every row, unless
    it `has_predicted` other rows: then the rows are not the cause.
    """
    found: dict[int, str] = {}
    for row, message in _bisect(predict, features, 0):
        if message is None:
            has_predicted = True
        else:
            found[row] = message
        if len(found) == GIVE_UP_AFTER and not has_predicted:
            break
    return found if has_predicted else {}


def _bisect(predict: Predict, features: Features, first: int) -> Iterator[tuple[int, str | None]]:
    """Halve the table, whose first row has that number, until each part is predicted or one row.

    Returns each row that the model raises on, with its message; and the first row of each part
    that the model predicts, with None.
    """
    try:
        predict(_renumbered(features))
    except ModelRaised as error:
        if len(features) == 1:
            yield first, str(error).partition("\n")[0]
            return
    else:
        yield first, None
        return
    half = len(features) // 2
    yield from _bisect(predict, features[:half], first)
    yield from _bisect(predict, features[half:], first + half)


def _renumbered(features: Features) -> Features:
    return features.reset_index(drop=True) if isinstance(features, pd.DataFrame) else features


def _take(features: Features, rows: Sequence[int]) -> Features:
    """Return some rows of a table, in the same order of memory."""
    if isinstance(features, pd.DataFrame):
        return features.iloc[list(rows)].reset_index(drop=True)
    taken = features.T.take(rows, axis=1)
    taken.flags.writeable = False
    return taken.T


class CheckedPredictor:
    """Predicts the batches of a file, and checks what the model returns.

    The model must return one row for each row, and the same columns for each batch. If it fails on
    every row of a batch, and `has_predicted` no others, the rows are not the cause.
    """

    def __init__(
        self, predictor: Predictor, kept: tuple[str, ...], *, has_predicted: bool = False
    ) -> None:
        self._predictor = predictor
        self._kept = kept
        self._has_predicted = has_predicted
        self._schema: pa.Schema | None = None

    @property
    def columns(self) -> str:
        """The names and types of the model's columns, once it has answered."""
        assert self._schema is not None
        return _describe(self._schema)

    def predict_good_rows(
        self, table: pa.Table, features: Features, bad: Collection[int]
    ) -> tuple[pa.Table | None, dict[int, str]]:
        """Predict all rows but the bad ones; also return the reason for each row without an answer.

        Such a row is one that the model raises on, or answers NaN for. The table is None if no row
        is left. Raises ModelRaised or PredictionFailed if single rows are not the cause.
        """
        rows: Sequence[int] = range(table.num_rows)
        if bad:
            rows = [row for row in rows if row not in bad]
        failing = dict[int, str]()
        try:
            answer = self._answer(features, rows)
        except ModelRaised:
            found = rows_that_raise(
                self._call, _take(features, rows), has_predicted=self._has_predicted
            )
            if not found:
                raise
            failing = {rows[position]: message for position, message in found.items()}
            rows = [row for row in rows if row not in failing]
            answer = self._answer(features, rows)
        if answer is None:
            return None, failing
        if missing := self._rows_without_answer(answer):
            failing |= {rows[position]: reason for position, reason in missing.items()}
            left = [position for position in range(len(rows)) if position not in missing]
            if not left:
                return None, failing
            rows, answer = [rows[position] for position in left], answer.take(left)
        kept = table.select(self._kept)
        return self._joined(kept if len(rows) == len(kept) else kept.take(rows), answer), failing

    def predict(self, table: pa.Table, features: Features) -> pa.Table:
        """Return the kept columns of the table, and beside them the predictions for its rows."""
        return self._joined(table.select(self._kept), self._call(features))

    def _answer(self, features: Features, rows: Sequence[int]) -> pa.Table | None:
        """Return the model's answer for some rows of the table; None for no rows."""
        if not rows:
            return None
        return self._call(features if len(rows) == len(features) else _take(features, rows))

    def _rows_without_answer(self, answer: pa.Table) -> dict[int, str]:
        """Return the reason for each row that has NaN in it, by row number.

        Raises PredictionFailed if the model has answered nothing else so far.
        """
        missing: dict[int, str] = {}
        for name, column in zip(answer.column_names, answer.columns, strict=True):
            if column.null_count:
                for row in np.flatnonzero(column.is_null()).tolist():
                    missing.setdefault(row, f"the model answered a missing value (NaN) in {name!r}")
        if len(missing) == answer.num_rows and not self._has_predicted:
            names = dict.fromkeys(reason.rpartition(" in ")[2] for reason in missing.values())
            raise PredictionFailed(
                f"the model answered missing values (NaN) in {', '.join(names)} for every row"
            )
        return missing

    def _joined(self, kept: pa.Table, predictions: pa.Table) -> pa.Table:
        if repeated := set(kept.column_names) & set(predictions.column_names):
            raise SchemaMismatch(
                f"{', '.join(map(repr, sorted(repeated)))} is both a kept column and a prediction "
                "column: rename it in the file, or leave it out of WORKER_KEEP_COLUMNS"
            )
        if self._schema is not None and predictions.schema != self._schema:
            raise PredictionFailed(
                f"the model answered {_describe(self._schema)} for the first rows and "
                f"{_describe(predictions.schema)} for later ones"
            )
        self._schema = predictions.schema
        self._has_predicted = True
        return pa.Table.from_arrays(
            [*kept.columns, *predictions.columns],
            schema=pa.schema([*kept.schema, *predictions.schema]),
        )

    def _call(self, features: Features) -> pa.Table:
        """Call the model, and check the shape and the order of what it returns."""
        try:
            predictions = self._predict(features)
        except TidegateError as error:
            if is_masked() and not _is_raised_by_the_worker(error):
                error.args = (_raised(error, ""), *error.args[1:])  # its message may quote cells
            raise
        except MemoryError:
            raise
        except BaseException as error:  # SystemExit would end the process with the model's status
            where = "" if len(features) else " on a table without rows"
            raise ModelRaised(_raised(error, where)) from error
        return _to_table(predictions)

    def _predict(self, features: Features) -> pd.DataFrame | Columns:
        if isinstance(features, np.ndarray) and len(features):
            assert isinstance(self._predictor, SklearnPredictor)
            return self._predictor.predict_block(features)
        # A plug-in may add columns to its frame, and is called again if it raises.
        predictions = self._predictor.predict(pd.DataFrame(features))
        _check_frame(predictions, len(features))
        return predictions


def _raised(error: BaseException, where: str) -> str:
    """Return what the model raised; its message may quote cells, so masked it is left out."""
    message = "" if is_masked() else f": {error}"
    return f"the model raised {type(error).__name__}{where}{message}"


def _is_raised_by_the_worker(error: BaseException) -> bool:
    """Return whether an error was raised in a module of the worker, which masks what it quotes."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    module = str(frame.tb_frame.f_globals.get("__name__")) if frame is not None else ""
    return module.startswith("worker.")


def _check_frame(predictions: object, rows: int) -> None:
    if not isinstance(predictions, pd.DataFrame):
        raise PredictionFailed(
            f"the model answered a {type(predictions).__name__}, not a DataFrame"
        )
    if len(predictions) != rows:
        raise PredictionFailed(f"the model answered {len(predictions)} rows for {rows}")
    # Another index may mean that the rows are in another order.
    if len(predictions) and not predictions.index.equals(pd.RangeIndex(len(predictions))):
        raise PredictionFailed(
            "the model answered rows under another index than it was given, so their order is "
            "not certain: keep the index of the frame, or reset it"
        )


def _to_table(predictions: pd.DataFrame | Columns) -> pa.Table:
    names = [str(name) for name in predictions]
    if len(set(names)) < len(names) or not names:
        raise PredictionFailed(f"the model's columns must have names that differ, not {names}")
    # Like Table.from_pandas, but without its metadata, which costs more time than small columns.
    pairs = zip(names, predictions.items(), strict=True)
    return pa.table([_to_array(name, column) for name, (_, column) in pairs], names)


def _to_array(name: str, column: Any) -> pa.Array:  # noqa: ANN401 - a Series or a numpy array
    is_plain = isinstance(column, np.ndarray) and column.dtype.kind in _PLAIN_KINDS
    values = column if is_plain else pd.Series(column)
    is_sparse = isinstance(column.dtype, pd.SparseDtype)
    try:
        return pa.array(values.to_numpy() if is_sparse else values, from_pandas=True)
    except pa.ArrowException as error:
        raise PredictionFailed(
            f"the model's answer has no one type a column: {name!r}: {message_of(error)}"
        ) from error


def _describe(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
