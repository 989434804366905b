"""Converts the model's columns to the types that it reads, and finds the rows that do not fit."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import SchemaMismatch
from worker.formats.base import CellForm
from worker.formats.json_lines.cells import unquote_numbers, unquote_strings
from worker.formats.model_inputs import Feature, ModelInputs
from worker.formats.type_inference import (
    ColumnType,
    convert_text,
    infer_type,
    numbers_to_float64,
    rows_where,
)

_MISFIT = {"number": "not a number", "boolean": "neither true nor false"}
_TEXT = (pa.string(), pa.large_string(), pa.string_view())
_SHOWN_CHARACTERS = 60

Column = tuple[pa.ChunkedArray, dict[int, str]]
"""The values of a column, and the reason for each bad row by its number in the batch, from 0."""


class FeatureConverter:
    """Converts the model's columns of one file, batch by batch.

    The first batch with rows sets the types of columns that come as text.
    """

    def __init__(
        self, features: Sequence[Feature], inputs: ModelInputs, *, cells: CellForm
    ) -> None:
        self._features = tuple(features)
        self._inputs = inputs
        self._cells = cells
        self._types: dict[str, ColumnType] = {}

    def to_frame(self, table: pa.Table) -> tuple[pd.DataFrame, dict[int, str]]:
        """Convert as `convert` does, to the frame that pandas' own reader would have made."""
        values, bad = self.convert(table)
        frame = values.to_pandas(use_threads=False)
        if self._cells != "typed":
            # Missing cells between booleans are NaN in pandas; Arrow makes None of them, and
            # encoders treat the two differently.
            for field in values.schema:
                if pa.types.is_boolean(field.type) and values[field.name].null_count:
                    frame[field.name] = frame[field.name].fillna(np.nan)
        return frame, bad

    def convert(self, table: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """Return the model's columns, and the reason for each bad row by its number, from 0."""
        values: dict[str, pa.ChunkedArray] = {}
        bad: dict[int, str] = {}
        for feature in self._features:
            column = table[feature.column]
            values[feature.name], reasons = self._convert_column(feature.name, column)
            bad = reasons | bad
        return pa.table(values), bad

    def _convert_column(self, name: str, column: pa.ChunkedArray) -> Column:
        if self._cells == "typed":
            values, bad = self._from_typed(name, column)
        else:
            values, bad = self._from_text(name, column)
        if not self._inputs.takes_missing:
            for row in rows_where(pc.is_null(values, nan_is_null=True)).tolist():
                bad.setdefault(row, f"column {name!r} is missing, which the model does not take")
        return values, bad

    def _from_typed(self, name: str, column: pa.ChunkedArray) -> Column:
        if pa.types.is_nested(column.type):
            raise SchemaMismatch(
                f"the column {name!r} is of type {column.type}: no model takes values within values"
            )
        values = numbers_to_float64(column)
        if self._inputs.numbers_only:
            if values.type in _TEXT:
                return self._from_text(name, pc.cast(values, pa.string()))
            # numpy would convert times to numbers, in the unit that the file's writer chose.
            if not (pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
                raise SchemaMismatch(
                    f"the column {name!r} is of type {column.type}, and the model takes numbers"
                )
        return values, {}

    def _from_text(self, name: str, column: pa.ChunkedArray) -> Column:
        if self._cells == "json" and self._inputs.numbers_only:
            column = unquote_numbers(column)
        column_type = self._type_of(name, column)
        values, misfits = convert_text(column, column_type)
        if self._cells == "json" and column_type == "text":
            values = unquote_strings(values)
        return values, {
            row: f"column {name!r} is {self._shown(column[row].as_py())}, {_MISFIT[column_type]}"
            for row in misfits.tolist()
        }

    def _type_of(self, name: str, column: pa.ChunkedArray) -> ColumnType:
        if self._inputs.is_text(name):
            return "text"
        column_type = self._types.get(name) or infer_type(
            column, numbers_only=self._inputs.numbers_only
        )
        if column.length():
            self._types[name] = column_type
        return column_type

    def _shown(self, cell: str | None) -> str:
        """Return a bad cell as the reason shows it."""
        if cell is None:
            return "missing"
        shown = cell if len(cell) <= _SHOWN_CHARACTERS else cell[:_SHOWN_CHARACTERS] + "…"
        return shown if self._cells == "json" else repr(shown)
