"""A table's columns as the tensors that an ONNX graph takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from worker.errors import ModelError, SchemaMismatch
from worker.models.columns import Array

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class Inputs:
    """One tensor of all columns by position, or several of one column each, by name."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        for node in nodes:
            rows, *columns = node.shape or [0]
            if node.type not in _TYPES or len(columns) != 1 or isinstance(rows, int):
                raise ModelError(
                    f"the graph's input {node.name!r} is a {node.type} of the shape {node.shape}: "
                    "it must be of any number of rows, and of columns of numbers or strings"
                )
        wide = [node.name for node in nodes if node.shape[1] != 1]
        if len(nodes) > 1 and wide:
            raise ModelError(f"of several inputs each must be one column: {', '.join(wide)}")
        self._types = {node.name: _TYPES[node.type] for node in nodes}
        width = nodes[0].shape[1]
        self.names = tuple(self._types) if len(nodes) > 1 else None
        self.count = width if self.names is None and isinstance(width, int) else None
        texts = tuple(name for name, kind in self._types.items() if kind is np.object_)
        self.numbers_only = not texts
        self.text_columns = ("*",) if texts and self.names is None else texts

    def feed(self, frame: pd.DataFrame) -> dict[str, Array]:
        """The tensors of a table; raises SchemaMismatch where a value is of another type."""
        if self.names is not None:
            return {
                name: _cells(frame[name], kind).reshape(-1, 1) for name, kind in self._types.items()
            }
        ((name, kind),) = self._types.items()
        return {name: np.column_stack([_cells(column, kind) for _, column in frame.items()])}

    def made_up(self, width: int) -> dict[str, Array]:
        """A row of so many columns, of zeros and empty strings."""
        shape = (1, width if self.names is None else 1)
        return {
            name: np.full(shape, "" if kind is np.object_ else 0, kind)
            for name, kind in self._types.items()
        }


def _cells(column: pd.Series, kind: type[np.generic]) -> Array:
    # The runtime would write 1.0 for the text 1, and cut 1.5 to the integer 1.
    if kind is np.object_:
        if not pd.api.types.is_string_dtype(column):
            raise SchemaMismatch(
                f"column {column.name!r} is {column.dtype}, and the graph takes text"
            )
        return column.to_numpy(np.object_)  # a missing one as nan, which converters write as text
    if not pd.api.types.is_numeric_dtype(column):
        raise SchemaMismatch(f"column {column.name!r} is text, and the graph takes numbers")
    values = column.to_numpy()
    with np.errstate(all="ignore"):
        cells = values.astype(kind)
    exact = not issubclass(kind, np.floating)
    misfits = cells != values if exact else np.isfinite(values) & ~np.isfinite(cells)
    if misfits.any():
        raise SchemaMismatch(
            f"column {column.name!r} holds {values[misfits][0]}, which is no {kind.__name__}"
        )
    return cells
