"""Checks of a model's answers; when it raises, row bisection finds the rows that it raises on."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa

from worker.errors import ModelRaised, PredictionFailed, SchemaMismatch, TidegateError
from worker.models import Predictor

# A model that has raised on so many rows in turn, and never answered one, is not at odds with rows.
IN_TURN = 100

Predict = Callable[[pd.DataFrame], object]


def refused(predict: Predict, frame: pd.DataFrame, *, answers: bool) -> dict[int, str]:
    """By row number from 0, what the model says of each row that it raises on alone.

    Empty when there is none; and when it answers no row at all, unless it is known to answer some.
    """
    found: dict[int, str] = {}
    for row, reason in _halved(predict, frame, 0):
        if reason is None:
            answers = True
        else:
            found[row] = reason
        if len(found) == IN_TURN and not answers:
            break
    return found if answers else {}


def _halved(predict: Predict, frame: pd.DataFrame, first: int) -> Iterator[tuple[int, str | None]]:
    """Each row that is refused, with the reason, and the first one of every part that is not."""
    try:
        predict(frame.reset_index(drop=True))
    except ModelRaised as error:
        if len(frame) == 1:
            yield first, str(error).partition("\n")[0]
            return
    else:
        yield first, None
        return
    half = len(frame) // 2
    yield from _halved(predict, frame.iloc[:half], first)
    yield from _halved(predict, frame.iloc[half:], first + half)


class Answers:
    """A predictor held to its word: a row for a row, and the same columns every time."""

    def __init__(self, predictor: Predictor, kept: tuple[str, ...]) -> None:
        self._predictor = predictor
        self._kept = kept
        self._schema: pa.Schema | None = None

    def of(
        self, table: pa.Table, frame: pd.DataFrame, bad: Collection[int]
    ) -> tuple[pa.Table | None, dict[int, str]]:
        """The answers for all rows but the bad ones, and what the model says of rows it refuses.

        Raises ModelRaised when that is no matter of single rows.
        """
        rows = [row for row in range(table.num_rows) if row not in bad]
        refusals: dict[int, str] = {}
        try:
            return self._of(table, frame, rows), refusals
        except ModelRaised:
            good = frame.iloc[rows]
            found = refused(self._ask, good, answers=self._schema is not None)
            if not found:
                raise
            refusals = {rows[place]: reason for place, reason in found.items()}
        rows = [row for row in rows if row not in refusals]
        return self._of(table, frame, rows), refusals

    def _of(self, table: pa.Table, frame: pd.DataFrame, rows: list[int]) -> pa.Table | None:
        if not rows:
            return None
        if len(rows) == table.num_rows:
            return self.to(table, frame)
        return self.to(table.take(rows), frame.iloc[rows].reset_index(drop=True))

    def to(self, table: pa.Table, frame: pd.DataFrame) -> pa.Table:
        """The table's kept columns with the predictions for its features beside them."""
        kept = table.select(self._kept)
        answer = self._ask(frame)
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
            raise ModelRaised(f"the model raised {type(error).__name__}{rows}: {error}") from error
        if not isinstance(answer, pd.DataFrame):
            raise PredictionFailed(f"the model answered a {type(answer).__name__}, not a DataFrame")
        if len(answer) != len(frame):
            raise PredictionFailed(f"the model answered {len(answer)} rows for {len(frame)}")
        # Another order of the index is another order of the rows.
        if len(answer) and not answer.index.equals(pd.RangeIndex(len(answer))):
            raise PredictionFailed(
                "the model answered rows under another index than it was given, so their order is "
                "not certain: keep the index of the frame, or reset it"
            )
        return _as_table(answer)


def _as_table(answer: pd.DataFrame) -> pa.Table:
    names = [str(name) for name in answer.columns]
    if len(set(names)) < len(names) or not names:
        raise PredictionFailed(f"the model's columns must have names that differ, not {names}")
    # As Table.from_pandas does, without its metadata, which takes longer than small columns.
    pairs = zip(names, answer.items(), strict=True)
    return pa.table([_as_array(name, column) for name, (_, column) in pairs], names)


def _as_array(name: str, column: "pd.Series[Any]") -> pa.Array:
    try:
        values = pa.array(column, from_pandas=True)
    except pa.ArrowException as error:
        raise PredictionFailed(
            f"the model's answer has no one type a column: {name!r}: {error}"
        ) from error
    if values.null_count:
        raise PredictionFailed(f"the model answered missing values (NaN) in {name!r}")
    return values


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)
