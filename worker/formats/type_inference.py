"""Column types: infers them from text, converts text to them, and finds the cells that do not fit.

A column is converted as pandas.read_csv would convert it.
"""

from contextlib import suppress
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ColumnType = Literal["number", "boolean", "text"]
RowNumbers = npt.NDArray[np.int64]

MISSING_VALUES = (
    # pandas.read_csv's own list.
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
_MISSING = pa.array(MISSING_VALUES, pa.string())
_TRUE = pa.array(["True", "TRUE", "true"])
_FALSE = pa.array(["False", "FALSE", "false"])
_NUMBER = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$"
_NULL_STRING = pa.scalar(None, pa.string())
_NULL_BOOLEAN = pa.scalar(None, pa.bool_())
_NO_ROWS: RowNumbers = np.empty(0, np.int64)


def infer_type(column: pa.ChunkedArray, *, numbers_only: bool) -> ColumnType:
    """Return the type of a column of text, judged by all rows given.

    With `numbers_only` a column that fits no type is one of numbers with bad cells, not of text.
    """
    if not len(_to_numbers(column)[1]):
        return "number"
    if not len(_to_booleans(column)[1]):
        return "boolean"
    return "number" if numbers_only else "text"


def convert_text(
    column: pa.ChunkedArray, column_type: ColumnType
) -> tuple[pa.ChunkedArray, RowNumbers]:
    """Convert a column of text to a type, missing cells to nulls; and return the rows that fail."""
    if column_type == "number":
        return _to_numbers(column)
    if column_type == "boolean":
        return _to_booleans(column)
    return _nulls_for_missing(column), _NO_ROWS


def numbers_to_float64(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a column of any numeric type to float64; other types only lose their dictionary."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    data_type = column.type
    if (
        pa.types.is_integer(data_type)
        or pa.types.is_floating(data_type)
        or pa.types.is_decimal(data_type)
        or pa.types.is_null(data_type)
    ):
        return pc.cast(column, pa.float64(), safe=False)
    return column


def rows_where(mask: pa.ChunkedArray) -> RowNumbers:
    """Return the numbers of the rows where a boolean column is true."""
    return np.flatnonzero(mask.to_numpy())


def _to_numbers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    # A cast that fails does not name the cell, so the slower ways follow only where it fails.
    with suppress(pa.ArrowInvalid):
        return pc.cast(column, pa.float64()), _NO_ROWS
    present = _nulls_for_missing(column)
    with suppress(pa.ArrowInvalid):
        return pc.cast(present, pa.float64()), _NO_ROWS
    cells = pc.ascii_trim_whitespace(present)
    fits = pc.match_substring_regex(cells, _NUMBER)
    numbers = pc.cast(pc.if_else(fits, cells, _NULL_STRING), pa.float64())
    return numbers, rows_where(pc.fill_null(pc.invert(fits), fill_value=False))


def _to_booleans(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    present = _nulls_for_missing(column)
    true = pc.is_in(present, value_set=_TRUE)
    fits = pc.or_(true, pc.is_in(present, value_set=_FALSE))
    missing = pc.is_null(present)
    return pc.if_else(missing, _NULL_BOOLEAN, true), rows_where(pc.invert(pc.or_(fits, missing)))


def _nulls_for_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_in(column, value_set=_MISSING), _NULL_STRING, column)
