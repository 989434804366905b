"""What a fitted model says of a column that it reads. Imports nothing heavy."""

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["float", "int", "bool", "text"]
"""The types that WORKER_DTYPES and a predictor's `column_types` may name."""

Missing = Literal["nan", "none", "refused"]
"""What stands for a missing cell in the frame, or that its row is a bad row."""


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """The values that a model takes in one column; a cell without a place in it is a bad row.

    `float` takes every number, and booleans as 1 and 0. `int` takes whole numbers of 64 bits,
    exactly. `text` is verbatim. `category` takes values of several Python types: a cell becomes
    the category that it spells. `unused` is a column that the model does not read.
    """

    type: ColumnType | Literal["category", "unused"]
    missing: Missing = "nan"
    categories: tuple[object, ...] | None = None
    """The values that training saw, without missing ones; None: not known.

    A word in it is a value even if pandas reads it as missing, as NA and None.
    """
    as_categorical: bool = False
    """Whether the frame's column is a pandas.Categorical of exactly these categories."""
