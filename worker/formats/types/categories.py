"""The values that training saw in a column, and the values that cells spell among them."""

import json
from collections.abc import Collection
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.formats.base import CellForm
from worker.formats.json_lines.cells import json_value, unquote_strings
from worker.formats.types.plain_columns import to_python
from worker.formats.types.text_cells import RowNumbers, nulls_for_missing, number_or_text

_NO_ROWS: RowNumbers = np.empty(0, np.int64)
_DIGITS = r"^-?\d+$"
_JSON_MISSING = pa.array(["null", "NaN"])
_NULL_STRING = pa.scalar(None, pa.string())
_AMBIGUOUS = object()


class Vocabulary:
    """The categories of one column; none if they are not known."""

    def __init__(self, categories: Collection[object], cells: CellForm) -> None:
        self._categories = categories
        self._cells = cells

    # Most columns need few of these, and a small file may have many categories.

    @cached_property
    def words(self) -> frozenset[str]:
        """The categories that are text."""
        return frozenset(value for value in self._categories if isinstance(value, str))

    @cached_property
    def _values(self) -> dict[tuple[str, object], object]:
        return {_typed(value): value for value in self._categories}

    @cached_property
    def _spelled(self) -> dict[str, object]:
        spelled: dict[str, object] = {}
        for value in self._categories:
            for spelling in _spellings(value):
                known = spelled.setdefault(spelling, value)
                if _typed(known) != _typed(value):
                    spelled[spelling] = _AMBIGUOUS
        return spelled

    def to_text(self, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
        """Convert JSON text or values to text; also return the rows that are not certainly text.

        Whole numbers are their digits. What else is no text must be spelled as a category.
        """
        if self._cells == "json":
            return self._json_to_text(column)
        if pa.types.is_string(column.type):
            return column, _NO_ROWS
        if pa.types.is_integer(column.type) or pa.types.is_null(column.type):
            return pc.cast(column, pa.string()), _NO_ROWS
        cells, misfits = [], []
        for row, cell in enumerate(to_python(column)):
            is_missing = cell is None or cell != cell  # noqa: PLR0124 - NaN, of any type
            is_word = str(cell) in self.words
            cells.append(str(cell) if is_word and not is_missing else None)
            if not is_missing and not is_word:
                misfits.append(row)
        return pa.chunked_array([pa.array(cells, pa.string())]), np.array(misfits, np.int64)

    def _json_to_text(self, column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, RowNumbers]:
        present = pc.if_else(pc.is_in(column, value_set=_JSON_MISSING), _NULL_STRING, column)
        fits = pc.or_(pc.starts_with(present, '"'), pc.match_substring_regex(present, _DIGITS))
        if self.words:
            fits = pc.or_(fits, pc.is_in(present, value_set=pa.array(sorted(self.words))))
        misfits = np.flatnonzero(pc.fill_null(pc.invert(fits), fill_value=False).to_numpy())
        if len(misfits):
            present = pc.if_else(fits, present, _NULL_STRING)
        return unquote_strings(present), misfits

    def to_values(self, column: pa.ChunkedArray) -> tuple[list[object], RowNumbers]:
        """Return the category that each cell spells, else the cell's own value; None is missing.

        Also return the rows whose cells spell two categories.
        """
        if self._cells == "text":
            column = nulls_for_missing(column, self.words)
        resolve = self._resolve_text if self._cells == "text" else self._resolve_value
        distinct = column.combine_chunks().dictionary_encode()
        values = [resolve(cell) for cell in self._decoded(distinct.dictionary)]
        cells = [None if code is None else values[code] for code in distinct.indices.to_pylist()]
        ambiguous = [row for row, value in enumerate(cells) if value is _AMBIGUOUS]
        for row in ambiguous:
            cells[row] = None
        return cells, np.array(ambiguous, np.int64)

    def _decoded(self, distinct: pa.Array) -> list[object]:
        cells = to_python(distinct)
        return [json_value(str(cell)) for cell in cells] if self._cells == "json" else cells

    def _resolve_text(self, cell: object) -> object:
        text = str(cell)
        return self._spelled[text] if text in self._spelled else number_or_text(text)

    def _resolve_value(self, cell: object) -> object:
        if cell is None or cell != cell:  # noqa: PLR0124 - NaN, of any type
            return None
        if isinstance(cell, (list, dict)):
            return json.dumps(cell)
        if _typed(cell) in self._values:
            return self._values[_typed(cell)]
        return self._spelled.get(str(cell), cell)


def _typed(value: object) -> tuple[str, object]:
    """Return a key that keeps 1, True and "1" apart, but not 1 and 1.0."""
    kind = type(value).__name__ if isinstance(value, (bool, np.bool_, str)) else "other"
    return kind.removesuffix("_"), value


def _spellings(value: object) -> tuple[str, ...]:
    if isinstance(value, (bool, np.bool_)):
        return (str(value), str(value).upper(), str(value).lower())
    if isinstance(value, float) and value.is_integer():
        return (repr(float(value)), str(int(value)))
    return (repr(float(value)),) if isinstance(value, float) else (str(value),)
