"""The columns a model reads, as it reads them; rows that do not fit are named with the reason."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import SchemaMismatch
from worker.formats.base import Cells
from worker.formats.json_lines.cells import numbers_unquoted, unquoted
from worker.formats.selection import Needs
from worker.formats.type_inference import Kind, convert, infer, plain, rows_where

_WHY = {"number": "not a number", "truth": "neither true nor false"}
_TEXT = (pa.string(), pa.large_string(), pa.string_view())
_SHOWN_CHARACTERS = 60


class Features:
    """The feature columns of one file; the first batch with rows sets the types of text."""

    def __init__(self, names: Sequence[str], needs: Needs, *, cells: Cells) -> None:
        self._names = tuple(names)
        self._needs = needs
        self._cells = cells
        self._kinds: dict[str, Kind] = {}

    def frame(self, table: pa.Table) -> tuple[pd.DataFrame, dict[int, str]]:
        """What `read` reads, as the reader of pandas for the format would have made it."""
        values, bad = self.read(table)
        frame = values.to_pandas(use_threads=False)
        if self._cells != "typed":
            # Between truths of text pandas has NaN, and encoders tell it from None.
            for field in values.schema:
                if pa.types.is_boolean(field.type) and values[field.name].null_count:
                    frame[field.name] = frame[field.name].fillna(np.nan)
        return frame, bad

    def read(self, table: pa.Table) -> tuple[pa.Table, dict[int, str]]:
        """The features of every row, and by row number from 0 why a row must be left out."""
        values: dict[str, pa.ChunkedArray] = {}
        bad: dict[int, str] = {}
        for name in self._names:
            values[name], why = self._column(name, table[name])
            bad = why | bad
        return pa.table(values), bad

    def _column(self, name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, dict[int, str]]:
        if self._cells == "typed":
            values, bad = self._of_values(name, column)
        else:
            values, bad = self._of_text(name, column)
        if not self._needs.takes_missing:
            for row in rows_where(pc.is_null(values, nan_is_null=True)).tolist():
                bad.setdefault(row, f"column {name!r} is missing, which the model does not take")
        return values, bad

    def _of_values(
        self, name: str, column: pa.ChunkedArray
    ) -> tuple[pa.ChunkedArray, dict[int, str]]:
        if pa.types.is_nested(column.type):
            raise SchemaMismatch(
                f"the column {name!r} is of type {column.type}: no model takes values within values"
            )
        values = plain(column)
        if self._needs.numbers_only:
            if values.type in _TEXT:
                return self._of_text(name, pc.cast(values, pa.string()))
            # numpy would make numbers of times: how many depends on the unit that a writer chose.
            if not (pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)):
                raise SchemaMismatch(
                    f"the column {name!r} is of type {column.type}, and the model takes numbers"
                )
        return values, {}

    def _of_text(
        self, name: str, column: pa.ChunkedArray
    ) -> tuple[pa.ChunkedArray, dict[int, str]]:
        if self._cells == "json" and self._needs.numbers_only:
            column = numbers_unquoted(column)
        kind = self._kind(name, column)
        values, misfits = convert(column, kind)
        if self._cells == "json" and kind == "text":
            values = unquoted(values)
        return values, {
            row: f"column {name!r} is {_shown(column[row].as_py(), self._cells)}, {_WHY[kind]}"
            for row in misfits.tolist()
        }

    def _kind(self, name: str, column: pa.ChunkedArray) -> Kind:
        if self._needs.is_text(name):
            return "text"
        kind = self._kinds.get(name) or infer(column, numbers_only=self._needs.numbers_only)
        if column.length():
            self._kinds[name] = kind
        return kind


def _shown(cell: str | None, cells: Cells) -> str:
    if cell is None:
        return "missing"
    shown = cell if len(cell) <= _SHOWN_CHARACTERS else cell[:_SHOWN_CHARACTERS] + "…"
    return shown if cells == "json" else repr(shown)
