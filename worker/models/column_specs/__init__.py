"""What a fitted model says of each of its columns, by what each column meets first in it."""

from worker.models.column_specs.specs import find_columns

__all__ = ["find_columns"]
