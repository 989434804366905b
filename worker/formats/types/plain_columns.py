"""Columns of Arrow's many types as columns of few: text, numbers, booleans and others."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import SchemaMismatch
from worker.formats.types.text_cells import MAX_INT64, MIN_INT64, RowNumbers, rows_where

_NO_ROWS: RowNumbers = np.empty(0, np.int64)
TEXT_TYPES = (pa.string(), pa.large_string(), pa.string_view())
_NUMBERS = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
_BINARY = (pa.binary(), pa.large_binary(), pa.binary_view())


def plain(name: str, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    """Return a column without its dictionary, bytes as text; and the rows that are not UTF-8.

    Raises SchemaMismatch if it holds values within values.
    """
    if pa.types.is_primitive(column.type):  # numbers, booleans and times: nothing to do
        return column, _NO_ROWS
    if isinstance(column.type, pa.BaseExtensionType):
        storage = [chunk.storage for chunk in column.chunks]
        return plain(name, pa.chunked_array(storage, column.type.storage_type))
    if pa.types.is_dictionary(column.type):
        return plain(name, pc.cast(column, column.type.value_type))
    refuse_nested(name, column.type)
    if column.type in _BINARY or pa.types.is_fixed_size_binary(column.type):
        return _decode(column)
    return (pc.cast(column, pa.string()) if column.type in TEXT_TYPES else column), _NO_ROWS


def refuse_nested(name: str, data_type: pa.DataType) -> None:
    """Raise SchemaMismatch if a column of this type holds values within values."""
    if pa.types.is_nested(data_type):
        raise SchemaMismatch(
            f"the column {name!r} is of type {data_type}: no model takes values within values"
        )


def _decode(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    cells: list[str | None] = []
    misfits = []
    for row, cell in enumerate(column.to_pylist()):
        try:
            cells.append(None if cell is None else cell.decode())
        except UnicodeDecodeError:
            cells.append(None)
            misfits.append(row)
    return pa.chunked_array([pa.array(cells, pa.string())]), np.array(misfits, np.int64)


def to_python(column: pa.ChunkedArray | pa.Array) -> list[Any]:
    """Return a column's values as Python objects."""
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):  # Python's times have a smaller range than Arrow's
        values = [to_python_value(cell) for cell in column]
    return values


def to_python_value(cell: pa.Scalar) -> Any:  # noqa: ANN401 - of any type
    """Return one value as a Python object; a time beyond Python's range is named as such."""
    try:
        return cell.as_py()
    except (ValueError, OverflowError):
        return f"a {cell.type} that cannot be shown"


def is_number(data_type: pa.DataType) -> bool:
    """Return whether a column of this type holds numbers, or nothing at all."""
    return any(is_kind(data_type) for is_kind in _NUMBERS)


def numbers_to_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert numbers and booleans to float64; large whole numbers are rounded."""
    return pc.cast(column, pa.float64(), safe=False)


def numbers_to_integers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    """Convert numbers to int64, exactly; also return the rows that are no whole number of it."""
    if pa.types.is_signed_integer(column.type) or pa.types.is_null(column.type):
        return pc.cast(column, pa.int64()), _NO_ROWS
    values = [_to_integer(cell) for cell in column.to_pylist()]
    misfits = [row for row, value in enumerate(values) if value is NotImplemented]
    for row in misfits:
        values[row] = None
    return pa.chunked_array([pa.array(values, pa.int64())]), np.array(misfits, np.int64)


def _to_integer(cell: Any) -> Any:  # noqa: ANN401 - int, float or Decimal
    """Return the whole number of 64 bits that a number is; NotImplemented if it is none."""
    if cell is None or cell != cell:  # noqa: PLR0124 - NaN, of any type
        return None
    is_whole = MIN_INT64 <= cell <= MAX_INT64 and cell == int(cell)
    return int(cell) if is_whole else NotImplemented


def numbers_to_booleans(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
    """Convert 1 and 0 to booleans; also return the rows that are neither."""
    numbers = numbers_to_floats(column)
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    true = pc.equal(numbers, 1.0)
    misfits = pc.invert(pc.or_(true, pc.equal(numbers, 0.0)))
    return true, rows_where(pc.fill_null(misfits, fill_value=False))
