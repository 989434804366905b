"""Tells numbers, dates and words for missing values in a line that may be a header or data."""

import re
from typing import Literal

from worker.formats.type_inference import MISSING_VALUES

Kind = Literal["number", "date", "missing"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_DATE = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
    r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"
)
_MISSING = frozenset(MISSING_VALUES) - {""}
_FIRST = frozenset("0123456789+-.#<NniI1")  # a value of each kind begins with one of these


def kind_of(cell: str) -> Kind | None:
    """Return the kind of a value that is hardly a column's name; None: any other text."""
    cell = cell.strip()
    if cell[:1] not in _FIRST:
        return None
    if is_number(cell):
        return "number"
    if _DATE.fullmatch(cell):
        return "date"
    return "missing" if cell in _MISSING else None


def is_number(cell: str) -> bool:
    """Return whether a cell is a number as text files write it."""
    return _NUMBER.fullmatch(cell.strip()) is not None
