"""The type that pandas.read_json chooses for a column, by the kinds of its cells in the whole file.

As `read_json(lines=True, convert_dates=False, precise_float=True)`: text that is numbers throughout
becomes numbers, and numbers that are whole throughout become int64. Two things differ: pandas
refuses numbers beyond the range of 64-bit integers and of floats, which are floats here.
"""

import enum
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.formats.json_lines.cells import json_value, unquote_strings
from worker.formats.types.objects import Values, to_objects
from worker.formats.types.text_cells import MAX_INT64, MAX_UINT64, MIN_INT64, cast

JsonType = Literal[
    "int64", "int64 by floats", "uint64", "float64", "booleans", "text", "python objects"
]
_MISSING = pa.array(["null", "NaN"])
_INTEGER = r"^-?\d+$"
_NULL_STRING = pa.scalar(None, pa.string())


class Kind(enum.IntFlag):
    """Kinds of cells between which pandas' choice differs."""

    MISSING = enum.auto()
    BOOLEAN = enum.auto()
    INT64 = enum.auto()
    NEGATIVE = enum.auto()
    UINT64 = enum.auto()  # beyond int64
    WHOLE = enum.auto()  # a float that is a whole number of int64
    FLOAT = enum.auto()  # any other number
    INTEGER_TEXT = enum.auto()  # a string that Python's int() takes
    FLOAT_TEXT = enum.auto()  # a string that Python's float() takes
    WORD = enum.auto()  # any other string
    NESTED = enum.auto()


_NONE = Kind(0)
_TEXT = Kind.INTEGER_TEXT | Kind.FLOAT_TEXT | Kind.WORD
_NO_INT64 = Kind.UINT64 | Kind.FLOAT | Kind.FLOAT_TEXT | Kind.MISSING


class JsonKinds:
    """The kinds of cells in a column so far."""

    def __init__(self, kinds: Kind = _NONE) -> None:
        self._kinds = kinds

    @classmethod
    def load(cls, state: int) -> "JsonKinds":
        """Return the kinds that `dump` returned."""
        return cls(Kind(state))

    def dump(self) -> int:
        """Return the kinds as a JSON value."""
        return int(self._kinds)

    @property
    def type(self) -> JsonType:
        """The type that pandas chooses for a column of these kinds."""
        kinds = self._kinds
        present = kinds & ~(Kind.MISSING | Kind.NEGATIVE)
        if kinds & (Kind.WORD | Kind.NESTED):
            return "python objects" if present & ~_TEXT else "text"
        if kinds & Kind.MISSING or not present:
            return "float64"
        if present == Kind.BOOLEAN:
            return "booleans"
        if present in {Kind.UINT64, Kind.UINT64 | Kind.INT64} and not kinds & Kind.NEGATIVE:
            return "uint64"
        if kinds & _NO_INT64:
            return "float64"
        is_of_floats = kinds & Kind.WHOLE and not kinds & (_TEXT | Kind.BOOLEAN)
        return "int64 by floats" if is_of_floats else "int64"

    def add(self, column: pa.ChunkedArray) -> None:
        """Take note of the cells of one more batch: JSON text, or null where the key is absent."""
        if not column.null_count and (floats := _plain_floats(column)) is not None:
            self._add_numbers(column, floats)
            return
        present = pc.drop_null(_nulls_for_missing(column))
        if len(present) < len(column):
            self._kinds |= Kind.MISSING
        if not len(present):
            return
        begins = pc.utf8_slice_codeunits(present, 0, 1)
        found = set(pc.unique(begins).to_pylist())
        if found & {"t", "f"}:
            self._kinds |= Kind.BOOLEAN
        if found & {"[", "{"}:
            self._kinds |= Kind.NESTED
        if '"' in found and not self._kinds & Kind.WORD:
            self._add_strings(present.filter(pc.equal(begins, '"')))
        if found - {*'"tf[{'}:
            is_other = pc.is_in(begins, value_set=pa.array([*'"tf[{']))
            numbers = present.filter(pc.invert(is_other))
            self._add_numbers(numbers, pc.cast(numbers, pa.float64()))

    def _add_strings(self, cells: pa.ChunkedArray) -> None:
        for text in pc.unique(unquote_strings(cells)).to_pylist():
            self._kinds |= _kind_of_string(text)
            if self._kinds & Kind.WORD:
                return

    def _add_numbers(self, cells: pa.ChunkedArray, floats: pa.ChunkedArray) -> None:
        if self._kinds & Kind.FLOAT or not len(cells):
            return  # among floats no other number makes a difference
        values = floats.to_numpy()
        if np.any(values != np.floor(values)) or np.any(np.isinf(values)):
            self._kinds |= Kind.FLOAT
            return
        is_integer = pc.match_substring_regex(cells, _INTEGER)
        integers = cells.filter(is_integer)
        if len(integers):
            self._add_integers(integers)
        others = values[~is_integer.to_numpy()]
        if len(others):
            is_whole = (others >= -(2.0**63)) & (others < 2.0**63)
            self._kinds |= Kind.WHOLE if is_whole.all() else Kind.FLOAT

    def _add_integers(self, cells: pa.ChunkedArray) -> None:
        if (values := cast(cells, pa.int64())) is not None:
            self._kinds |= Kind.INT64
            if pc.min(values).as_py() < 0:
                self._kinds |= Kind.NEGATIVE
            return
        for digits in cells.to_pylist():
            self._kinds |= _kind_of_integer(digits)


def _kind_of_integer(digits: str) -> Kind:
    value = json_value(digits)
    if value > MAX_UINT64 or value < MIN_INT64:
        return Kind.FLOAT
    if value > MAX_INT64:
        return Kind.UINT64
    return Kind.INT64 | Kind.NEGATIVE if value < 0 else Kind.INT64


def _kind_of_string(text: str) -> Kind:
    with suppress(ValueError):
        return Kind.INTEGER_TEXT if MIN_INT64 <= int(text) <= MAX_INT64 else Kind.FLOAT_TEXT
    with suppress(ValueError):
        float(text)
        return Kind.FLOAT_TEXT
    return Kind.WORD


def convert_json(column: pa.ChunkedArray, json_type: JsonType) -> Values:
    """Convert a column of JSON text to a type that fits all of its cells."""
    if json_type == "python objects":
        return _to_python(column)
    return _CONVERSIONS[json_type](_nulls_for_missing(column))


def _nulls_for_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_in(column, value_set=_MISSING), _NULL_STRING, column)


def _plain_floats(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Cast a column to float64 if all of its cells are numbers, and none is NaN."""
    floats = cast(column, pa.float64())
    return None if floats is None or math.isnan(pc.sum(floats).as_py() or 0.0) else floats


def _to_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert JSON numbers, booleans and strings of numbers to float64."""
    # The integer -0 is 0 without a sign.
    plain = pc.if_else(pc.equal(column, "-0"), "0", column)
    if (floats := cast(plain, pa.float64())) is not None:
        return floats
    values = [None if cell is None else _as_float(cell) for cell in plain.to_pylist()]
    return pa.chunked_array([pa.array(values, pa.float64())])


def _as_float(cell: str) -> float | None:
    # A number is read from its digits: Python's integers may be beyond floats.
    value = float(json_value(cell) if cell[0] in '"tf' else cell)
    return None if np.isnan(value) else value


def _as_integer(cell: str) -> int:
    return int(json_value(cell))


def _to_python(column: pa.ChunkedArray) -> Values:
    """Return Python objects as pandas has them: an absent key is NaN, and null is None."""
    values = [
        np.nan if cell is None else None if cell == "NaN" else json_value(cell)
        for cell in column.to_pylist()
    ]
    return to_objects(values, None)


def _to_integers(column: pa.ChunkedArray) -> Values:
    if (integers := cast(column, pa.int64())) is not None:
        return integers
    return pa.chunked_array([pa.array(map(_as_integer, column.to_pylist()), pa.int64())])


def _to_unsigned(column: pa.ChunkedArray) -> Values:
    return pc.cast(pc.utf8_ltrim(column, "-"), pa.uint64())  # "-0": no number here is below zero


_CONVERSIONS: Mapping[JsonType, Callable[[pa.ChunkedArray], Values]] = {
    "int64": _to_integers,
    "int64 by floats": lambda column: pc.cast(_to_floats(column), pa.int64()),
    "uint64": _to_unsigned,
    "float64": _to_floats,
    "booleans": lambda column: pc.equal(column, "true"),
    "text": unquote_strings,
}
