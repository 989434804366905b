"""Converts a column to what is said of it; a cell without a place in that is a bad row.

A row's fate depends on its own cell alone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from worker.columns import ColumnSpec
from worker.errors import SchemaMismatch
from worker.formats.base import CellForm
from worker.formats.json_lines.cells import unquote_booleans, unquote_numbers
from worker.formats.types.categories import Vocabulary
from worker.formats.types.objects import Values, exact_integers, gapped, to_objects
from worker.formats.types.plain_columns import (
    is_number,
    numbers_to_booleans,
    numbers_to_floats,
    numbers_to_integers,
    plain,
    to_python_value,
)
from worker.formats.types.text_cells import (
    RowNumbers,
    nulls_for_missing,
    rows_where,
    to_booleans,
    to_floats,
    to_integers,
)
from worker.quoting import quote_value

_SHOWN_CHARACTERS = 60
_MISFIT = {
    "float": "not a number",
    "int": "not a whole number of 64 bits",
    "bool": "neither true nor false",
    "text": "not a text",
}
_NO_ROWS: RowNumbers = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Converted:
    """A column as the model takes it, and the reason for each bad row by its number, from 0."""

    column: Values
    bad: Mapping[int, str]


class ColumnConversion:
    """Converts one column of a file, batch by batch, to what is said of it."""

    def __init__(self, name: str, spec: ColumnSpec, cells: CellForm) -> None:
        self._name = name
        self._spec = spec
        self._cells = cells
        self._missing = None if spec.missing == "none" else np.nan
        self._categories = pd.Index(spec.categories or ()) if spec.as_categorical else None
        if spec.type in {"text", "category"}:
            self._vocabulary = Vocabulary(spec.categories or (), cells)
        to_type: Callable[[pa.ChunkedArray], Converted] = getattr(self, f"_to_{spec.type}")
        self._to_type = to_type

    def convert(self, column: pa.ChunkedArray) -> Converted:
        """Return the column as the model takes it, and its bad rows."""
        converted = self._to_type(column)
        if self._categories is not None:
            return self._as_categorical(column, converted, self._categories)
        return converted

    def _to_float(self, column: pa.ChunkedArray) -> Converted:
        values, bad = self._read(column, to_floats, lambda numbers: (numbers, _NO_ROWS))
        if values.type != pa.float64():
            values = numbers_to_floats(values)
        bad = self._refuse_missing(values, bad)
        return Converted(values if self._missing else gapped(values, None), bad)

    def _to_int(self, column: pa.ChunkedArray) -> Converted:
        values, bad = self._read(column, to_integers, self._typed_integers)
        bad = self._refuse_missing(values, bad)
        return Converted(exact_integers(_filled(values, bad, 0), self._missing), bad)

    def _to_bool(self, column: pa.ChunkedArray) -> Converted:
        values, bad = self._read(column, to_booleans, numbers_to_booleans)
        bad = self._refuse_missing(values, bad)
        return Converted(gapped(_filled(values, bad, value=False), self._missing), bad)

    def _typed_integers(self, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
        if pa.types.is_boolean(column.type):
            return pa.chunked_array([pa.nulls(len(column), pa.int64())]), rows_where(
                pc.is_valid(column)
            )
        return numbers_to_integers(column)

    def _read(
        self,
        column: pa.ChunkedArray,
        from_text: Callable[[pa.ChunkedArray], tuple[pa.ChunkedArray, RowNumbers]],
        from_numbers: Callable[[pa.ChunkedArray], tuple[pa.ChunkedArray, RowNumbers]],
    ) -> tuple[pa.ChunkedArray, dict[int, str]]:
        """Read numbers or booleans from cells of any form, and the reasons of those that are none.

        Raises SchemaMismatch for a column of times: numpy would convert them to numbers, in the
        unit that the file's writer chose.
        """
        if self._cells == "json":
            unquote = unquote_booleans if self._spec.type == "bool" else unquote_numbers
            values, misfits = from_text(unquote(column))
            return values, self._reasons(column, misfits)
        if self._cells == "text":
            values, misfits = from_text(column)
            return values, self._reasons(column, misfits)
        cells, undecodable = plain(self._name, column)
        if pa.types.is_string(cells.type):
            values, misfits = from_text(cells)
        elif is_number(cells.type) or pa.types.is_boolean(cells.type):
            values, misfits = from_numbers(cells)
        else:
            raise SchemaMismatch(
                f"the column {self._name!r} is of type {column.type}, and the model takes "
                f"{'booleans' if self._spec.type == 'bool' else 'numbers'}"
            )
        return values, self._reasons(column, undecodable, "not UTF-8") | self._reasons(
            column, misfits
        )

    def _to_text(self, column: pa.ChunkedArray) -> Converted:
        bad: dict[int, str] = {}
        if self._cells == "text":
            values = nulls_for_missing(column, self._vocabulary.words)
        else:
            cells, undecodable = plain(self._name, column)
            values, misfits = self._vocabulary.to_text(cells)
            bad = self._reasons(column, undecodable, "not UTF-8")
            bad |= self._reasons(column, misfits)
        bad = self._refuse_missing(values, bad)
        return Converted(gapped(values, self._missing), bad)

    def _to_category(self, column: pa.ChunkedArray) -> Converted:
        cells, undecodable = plain(self._name, column)
        bad = self._reasons(column, undecodable, "not UTF-8")
        values, ambiguous = self._vocabulary.to_values(cells)
        bad |= self._reasons(column, ambiguous, "which spells two of the model's categories")
        missing = (row for row, value in enumerate(values) if value is None)
        bad = self._with_missing(missing, bad)
        return Converted(to_objects(values, self._missing), bad)

    def _to_unused(self, column: pa.ChunkedArray) -> Converted:
        return Converted(pa.chunked_array([pa.nulls(len(column), pa.float64())]), {})

    def _as_categorical(
        self, column: pa.ChunkedArray, converted: Converted, categories: "pd.Index[Any]"
    ) -> Converted:
        """Return a pandas.Categorical of the categories; it would lose other values silently."""
        found = converted.column
        values = pd.Index(found.to_pandas() if isinstance(found, pa.ChunkedArray) else found)
        codes = categories.get_indexer_for(values)
        lost = np.flatnonzero((codes < 0) & values.notna())
        reasons = self._reasons(column, lost, "which is none of the model's categories")
        categorical = pd.Categorical.from_codes(codes, categories)
        return Converted(categorical, reasons | dict(converted.bad))

    def _refuse_missing(self, values: pa.ChunkedArray, bad: dict[int, str]) -> dict[int, str]:
        if self._spec.missing != "refused":
            return bad
        return self._with_missing(rows_where(pc.is_null(values, nan_is_null=True)).tolist(), bad)

    def _with_missing(self, rows: Iterable[int], bad: dict[int, str]) -> dict[int, str]:
        if self._spec.missing != "refused":
            return bad
        return dict.fromkeys(rows, missing_reason(self._name)) | bad

    def _reasons(
        self, column: pa.ChunkedArray, rows: RowNumbers, what: str | None = None
    ) -> dict[int, str]:
        if not len(rows):
            return {}
        what = what or _MISFIT[self._spec.type]
        return {
            row: f"column {self._name!r} is {self._shown(to_python_value(column[row]))}, {what}"
            for row in rows.tolist()
        }

    def _shown(self, cell: object) -> str:
        """Return a bad cell as the reason shows it."""
        if cell is None:
            return "missing"
        text = cell if isinstance(cell, str) else str(cell)
        shown = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
        return quote_value(
            repr(shown) if isinstance(cell, str) and self._cells != "json" else shown
        )


def missing_reason(name: str) -> str:
    """Return why a row with a missing cell is bad."""
    return f"column {name!r} is missing, which the model does not take"


def _filled(column: pa.ChunkedArray, bad: Mapping[int, str], value: object) -> pa.ChunkedArray:
    """Put a value in place of the bad cells, so that they do not change the type of the others."""
    if not bad:
        return column
    is_bad = np.zeros(len(column), bool)
    is_bad[list(bad)] = True
    return pc.if_else(pa.array(is_bad), pa.scalar(value, column.type), column)
