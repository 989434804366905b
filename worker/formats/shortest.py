"""Floats as text: as short as they read back the same."""

import pyarrow as pa
import pyarrow.compute as pc

_DOUBLE_BYTES = 8


def shortest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of floats in Python's digits, a null as a null."""
    values = column.to_numpy()
    # Python shortens a double; a float32 is shortened as what it is, not as the double it fits.
    cells = values.tolist() if values.dtype.itemsize == _DOUBLE_BYTES else values
    text = pa.chunked_array([pa.array([str(cell) for cell in cells], pa.string())])
    return pc.if_else(pc.is_null(column), pa.scalar(None, pa.string()), text)
