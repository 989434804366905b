"""The type that pandas.read_parquet gives a column: its own, but for gaps and for categories."""

from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from worker.errors import SchemaMismatch
from worker.formats.types.objects import Values, to_objects
from worker.formats.types.plain_columns import TEXT_TYPES, numbers_to_floats, refuse_nested

_MOST_CATEGORIES = 100_000  # held in memory, which must not grow with the file

ArrowType = tuple[bool, int]
"""Whether cells are missing somewhere in the file, and how many categories the file has."""


class ArrowKinds:
    """Whether a column has gaps so far, and its categories in the order of the file."""

    def __init__(self, *, missing: bool = False, categories: tuple[Any, ...] = ()) -> None:
        self._missing = missing
        self._categories = dict.fromkeys(categories)

    @classmethod
    def load(cls, state: tuple[bool, list[Any]]) -> Self:
        """Return the kinds that `dump` returned."""
        missing, categories = state
        return cls(missing=missing, categories=tuple(categories))

    def dump(self) -> tuple[bool, list[Any]]:
        """Return the kinds as a JSON value."""
        return self._missing, list(self._categories)

    @property
    def type(self) -> ArrowType:
        """What the type of the frame's column depends on."""
        return self._missing, len(self._categories)

    @property
    def categories(self) -> list[Any]:
        """The values of the dictionaries so far, in the order of the file."""
        return list(self._categories)

    def add(self, column: pa.ChunkedArray) -> None:
        """Take note of the cells of one more batch."""
        self._missing |= column.null_count > 0
        if _has_categories(column.type):
            for chunk in column.chunks:
                self._categories |= dict.fromkeys(chunk.dictionary.to_pylist())


def convert_arrow(name: str, column: pa.ChunkedArray, kinds: ArrowKinds) -> Values:
    """Return the column as pandas.read_parquet gives it; raises SchemaMismatch if it is nested."""
    refuse_nested(name, column.type)
    if _has_categories(column.type):
        if len(kinds.categories) > _MOST_CATEGORIES:
            raise SchemaMismatch(
                f"the column {name!r} has more than {_MOST_CATEGORIES:,} categories: if the model "
                f"takes text, set WORKER_DTYPES={name}=text"
            )
        values = pc.cast(column, column.type.value_type).to_pandas()
        return pd.Categorical(values, kinds.categories, ordered=column.type.ordered)
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    has_gaps, _ = kinds.type
    if has_gaps and pa.types.is_integer(column.type):
        return numbers_to_floats(column)
    if has_gaps and pa.types.is_boolean(column.type):
        return to_objects(column.to_pylist(), None)
    if pa.types.is_null(column.type):
        return np.full(len(column), None, object)
    return column


def _has_categories(data_type: pa.DataType) -> bool:
    """Return whether a column is of pandas' category type in the frame: a dictionary of text."""
    return pa.types.is_dictionary(data_type) and data_type.value_type in TEXT_TYPES
