"""Floating-point numbers as text."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def format_floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write each number with the fewest digits that read back as the same number.

    A null stays a null. Half-precision numbers keep all their digits.
    """
    text = pc.cast(column, pa.string())
    values = column.to_numpy()
    if (values == np.floor(values)).any():
        # Without the ".0" a reader would take such a column for integers.
        text = pc.replace_substring_regex(text, r"^(-?\d+)$", r"\1.0")
    return text
