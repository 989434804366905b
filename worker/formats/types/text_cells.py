"""Cells of text: the words for missing, true and false, and text converted to numbers."""

import re
from collections.abc import Collection
from contextlib import suppress
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

RowNumbers = npt.NDArray[np.int64]

MISSING_VALUES = (
    # pandas.read_csv's own list.
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
    *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
)
TRUE = pa.array(["True", "TRUE", "true"])
FALSE = pa.array(["False", "FALSE", "false"])
BLANKS = " \t\n\v\f\r"  # around a number
MIN_INT64, MAX_INT64, MAX_UINT64 = -(2**63), 2**63 - 1, 2**64 - 1

_MISSING = pa.array(MISSING_VALUES, pa.string())
_ONE = pa.array([*TRUE.to_pylist(), "1", "1.0"])
_ZERO = pa.array([*FALSE.to_pylist(), "0", "0.0"])
_NUMBER = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity|nan)$"
_FINITE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_SHORT_INTEGER = r"^-?\d{1,18}(?:\.0*)?$"  # so short that it is within 64 bits
_LARGEST_EXPONENT = 30  # of a whole number; 1e999999999 would fill the memory with its digits
_NULL_STRING = pa.scalar(None, pa.string())
_NULL_BOOLEAN = pa.scalar(None, pa.bool_())
_NO_ROWS: RowNumbers = np.empty(0, np.int64)


def rows_where(mask: pa.ChunkedArray) -> RowNumbers:
    """Return the numbers of the rows where a boolean column is true."""
    # Nearly always there is none, and to look is faster than to list.
    return np.flatnonzero(mask.to_numpy()) if pc.any(mask).as_py() else _NO_ROWS


def nulls_for_missing(column: pa.ChunkedArray, values: Collection[object] = ()) -> pa.ChunkedArray:
    """Replace the words that pandas.read_csv takes for missing by nulls, but not these values.

    An empty cell is a null already; it becomes empty text if that is one of the values.
    """
    words = _MISSING
    if values:
        words = pa.array([word for word in MISSING_VALUES if word not in values], pa.string())
        if "" in values:
            column = pc.fill_null(column, "")
    return pc.if_else(pc.is_in(column, value_set=words), _NULL_STRING, column)


def cast(column: pa.ChunkedArray, data_type: pa.DataType) -> pa.ChunkedArray | None:
    """Cast a column, or return None if some cell cannot be cast."""
    with suppress(pa.ArrowInvalid):
        return pc.cast(column, data_type)
    return None


def to_floats(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    """Convert text to float64, true and false to 1 and 0; also return the rows that do not fit."""
    # A cast that fails does not name the cell, so the slower ways follow only where it fails.
    if (numbers := cast(column, pa.float64())) is not None:
        return numbers, _NO_ROWS
    present = nulls_for_missing(column)
    if (numbers := cast(present, pa.float64())) is not None:
        return numbers, _NO_ROWS
    present = pc.if_else(pc.is_in(present, value_set=TRUE), "1", present)
    present = pc.if_else(pc.is_in(present, value_set=FALSE), "0", present)
    cells = pc.ascii_trim_whitespace(present)
    fits = pc.match_substring_regex(cells, _NUMBER)
    numbers = pc.cast(pc.if_else(fits, cells, _NULL_STRING), pa.float64())
    return numbers, rows_where(pc.fill_null(pc.invert(fits), fill_value=False))


def to_integers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    """Convert text to int64, exactly; also return the rows that are no whole number of 64 bits."""
    if (integers := _cast_to_int64(column)) is not None:
        return integers, _NO_ROWS
    present = nulls_for_missing(column)
    if (integers := _cast_to_int64(present)) is not None:
        return integers, _NO_ROWS
    short = pc.fill_null(pc.match_substring_regex(present, _SHORT_INTEGER), fill_value=True)
    digits = pc.replace_substring_regex(pc.if_else(short, present, _NULL_STRING), r"\..*$", "")
    integers = pc.cast(digits, pa.int64())
    others = rows_where(pc.invert(short))
    if not len(others):
        return integers, _NO_ROWS
    values = integers.to_pylist()
    for row in others.tolist():
        values[row] = whole_number(present[row].as_py())
    misfits = [row for row in others.tolist() if values[row] is None]
    return pa.chunked_array([pa.array(values, pa.int64())]), np.array(misfits, np.int64)


def whole_number(cell: str) -> int | None:
    """Return the whole number of 64 bits that a cell of text is, as 7, +7, 7.0 or 7e2."""
    if not _FINITE.fullmatch(cell.strip(BLANKS)):
        return None
    number = Decimal(cell.strip(BLANKS))
    if number.adjusted() > _LARGEST_EXPONENT or number != int(number):
        return None
    return int(number) if MIN_INT64 <= number <= MAX_INT64 else None


def number_or_text(cell: str) -> int | float | str:
    """Return the number that a cell of text is, or the text if it is none."""
    trimmed = cell.strip(BLANKS)
    if not _FINITE.fullmatch(trimmed):
        return cell
    whole = whole_number(trimmed)
    return float(trimmed) if whole is None else whole


def to_booleans(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    """Convert true and false, 1 and 0 to booleans; also return the rows that are none of them."""
    present = nulls_for_missing(column)
    true = pc.is_in(present, value_set=_ONE)
    fits = pc.or_(true, pc.is_in(present, value_set=_ZERO))
    missing = pc.is_null(present)
    return pc.if_else(missing, _NULL_BOOLEAN, true), rows_where(pc.invert(pc.or_(fits, missing)))


def _cast_to_int64(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    # Arrow takes hexadecimal digits for an integer, but not for a float.
    integers = cast(column, pa.int64())
    return None if integers is None or cast(column, pa.float64()) is None else integers
