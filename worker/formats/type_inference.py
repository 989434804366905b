"""What a column holds: text to numbers, truths or strings, and which cells do not fit."""

from contextlib import suppress
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Kind = Literal["number", "truth", "text"]
Rows = npt.NDArray[np.int64]

MISSING = (
    # pandas.read_csv's own list.
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
_MISSING = pa.array(MISSING, pa.string())
_TRUE = pa.array(["True", "TRUE", "true"])
_FALSE = pa.array(["False", "FALSE", "false"])
_NUMBER = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$"
_NOTHING = pa.scalar(None, pa.string())
_NO_TRUTH = pa.scalar(None, pa.bool_())
_NO_ROWS: Rows = np.empty(0, np.int64)


def infer(column: pa.ChunkedArray, *, numbers_only: bool) -> Kind:
    """What a column of text holds, judged by the rows given."""
    if not len(_numbers(column)[1]):
        return "number"
    if not len(_truths(column)[1]):
        return "truth"
    return "number" if numbers_only else "text"


def convert(column: pa.ChunkedArray, kind: Kind) -> tuple[pa.ChunkedArray, Rows]:
    """A column of text as its kind, missing cells as nulls; and the rows that do not fit."""
    if kind == "number":
        return _numbers(column)
    if kind == "truth":
        return _truths(column)
    return _without_missing(column), _NO_ROWS


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A typed column as the same kinds know it: every number a float64, no dictionaries."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    kind = column.type
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        return pc.cast(column, pa.float64(), safe=False)
    return column


def rows_where(mask: pa.ChunkedArray) -> Rows:
    """The row numbers at which a boolean column is true."""
    return np.flatnonzero(mask.to_numpy())


def _numbers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Rows]:
    # A cast says that a cell fails but not which: the costlier ways are for columns that need them.
    with suppress(pa.ArrowInvalid):
        return pc.cast(column, pa.float64()), _NO_ROWS
    present = _without_missing(column)
    with suppress(pa.ArrowInvalid):
        return pc.cast(present, pa.float64()), _NO_ROWS
    cells = pc.ascii_trim_whitespace(present)
    fits = pc.match_substring_regex(cells, _NUMBER)
    numbers = pc.cast(pc.if_else(fits, cells, _NOTHING), pa.float64())
    return numbers, rows_where(pc.fill_null(pc.invert(fits), fill_value=False))


def _truths(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Rows]:
    present = _without_missing(column)
    true = pc.is_in(present, value_set=_TRUE)
    fits = pc.or_(true, pc.is_in(present, value_set=_FALSE))
    missing = pc.is_null(present)
    return pc.if_else(missing, _NO_TRUTH, true), rows_where(pc.invert(pc.or_(fits, missing)))


def _without_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_in(column, value_set=_MISSING), _NOTHING, column)
