"""Columns that only pandas can hold: Python objects, and categories."""

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Objects = npt.NDArray[np.object_]
Values: TypeAlias = Any
"""A converted column: a pyarrow.ChunkedArray, Python objects in a numpy array, or a Categorical."""

_LARGEST_EXACT = 2**53  # every whole number up to it is a float64


def to_objects(values: Collection[object], missing: object) -> Objects:
    """Return Python objects as an array, with `missing` in place of None."""
    present: Iterable[object] = (missing if value is None else value for value in values)
    return np.fromiter(present, dtype=object, count=len(values))


def exact_integers(column: pa.ChunkedArray, missing: object) -> Values:
    """Return int64 as it is; with gaps as float64 if that is exact, else as Python integers."""
    if not column.null_count:
        return column
    extremes = pc.min_max(column).as_py()
    if missing is None or max(abs(extremes[end] or 0) for end in ("min", "max")) > _LARGEST_EXACT:
        return to_objects(column.to_pylist(), missing)
    return pc.cast(column, pa.float64())


def gapped(column: pa.ChunkedArray, missing: object) -> Values:
    """Return a column whose missing cells are `missing`: None or NaN."""
    has_nan = pa.types.is_string(column.type) or pa.types.is_floating(column.type)
    if not column.null_count or (has_nan and missing is not None):
        return column
    return to_objects(column.to_pylist(), missing)
