"""Floats as text: in as few digits as they read back the same."""

import pyarrow as pa
import pyarrow.compute as pc


def shortest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of floats in as few digits as tell them from their neighbours, a null as a null.

    Those of half precision keep all the digits they have.
    """
    text = pc.cast(column, pa.string())
    values = pc.cast(column, pa.float64())
    if pc.any(pc.equal(values, pc.floor(values))).as_py():
        # Or a reader takes a column of these for integers.
        text = pc.replace_substring_regex(text, r"^(-?\d+)$", r"\1.0")
    return text
