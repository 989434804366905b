"""A file of a few rows made from the columns that a model reads."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

ROWS = 2
ID = "row"  # the first column, which a worker copies to the output
_VALUES = {"number": "1.5", "true or false": "True", "text": "text", "not read": ""}


def sample_csv(columns: Sequence[Mapping[str, Any]]) -> str:
    """Return a CSV for a model with these columns, as `tidegate check` describes them.

    A category has the model's own values. A column of which the model says nothing is a number.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    names = [column["name"] for column in columns]
    rows.writerow([ID if ID not in names else f"{ID}_id", *names])
    for number in range(1, ROWS + 1):
        rows.writerow([number, *(_value(column, number) for column in columns)])
    return text.getvalue()


def _value(column: Mapping[str, Any], number: int) -> str:
    if categories := column.get("categories"):
        return str(categories[number % len(categories)])
    return _VALUES.get(column["type"], str(number))
