"""Makes the table that the model gets of one file, and finds the rows that do not fit."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from worker.columns import ColumnSpec, ColumnType
from worker.errors import NeedsTypes, SchemaMismatch
from worker.formats.base import CellForm, one_array
from worker.formats.model_inputs import Feature, ModelInputs
from worker.formats.types.conversion import ColumnConversion, Converted, missing_reason
from worker.formats.types.inference import InferredColumn
from worker.formats.types.objects import Values
from worker.formats.types.text_cells import cast, rows_where
from worker.quoting import is_masked, message_of

Block: TypeAlias = npt.NDArray[np.float64]
"""Columns of floats as one array, read-only, in the order of a frame's memory."""

Features: TypeAlias = pd.DataFrame | Block
"""The table that a model gets."""

# Text of so few cells is converted in one step: steps for each column cost more than the cells.
_FEW_CELLS = 2**14


class FeatureConverter:
    """Converts the model's columns of one file, batch by batch.

    What is said of a column decides its type: by `dtypes` (WORKER_DTYPES), then by the model. Where
    nothing is said pandas' choice for the whole file decides. `found_types` is what an earlier
    attempt at the file has found out about those columns; without it the first batch decides, and
    `add` returns whether a later one changes the choice. `first_types` is what the first batch has
    decided, if it is not among those added. `null_count` returns how many cells of a column are
    missing in the whole file, or None.
    """

    def __init__(
        self,
        features: Sequence[Feature],
        inputs: ModelInputs,
        *,
        cells: CellForm,
        dtypes: Mapping[str, ColumnType] | None = None,
        found_types: str | None = None,
        first_types: str | None = None,
        null_count: Callable[[str], int | None] | None = None,
    ) -> None:
        self._columns = {feature.name: feature.column for feature in features}
        self._labels = _labels(features, inputs, cells)
        self._takes_missing = inputs.takes_missing
        self._conversions: dict[str, ColumnConversion] = {}
        self._inferred: dict[str, InferredColumn] = {}
        # The place of each column of floats among them.
        self._floats: dict[str, int] = {}
        found = json.loads(found_types or first_types or "{}")
        for feature in features:
            spec = _with_dtype(feature, inputs, dtypes or {})
            if spec is not None:
                self._conversions[feature.name] = ColumnConversion(
                    self._labels[feature.name], spec, cells
                )
                if spec.type == "float" and not spec.as_categorical:
                    self._floats[feature.name] = len(self._floats)
                continue
            known = found.get(feature.name)
            # To count the nulls takes time for each row group of the file.
            missing = known is None and _count_nulls(feature, null_count)
            self._inferred[feature.name] = InferredColumn(
                feature.name, cells, known, missing=missing
            )
        self._is_text = cells == "text"
        self._makes_block = inputs.takes_block and len(self._floats) == len(features)
        # Whether a row so far is bad whatever the types of the columns of which nothing is said.
        self.has_bad_rows_for_certain = False
        self._has_changed = False
        self._latest: pa.Table | None = None
        self._types_are_settled = found_types is not None or not self._inferred

    def add(self, table: pa.Table) -> bool:
        """Take note of a batch; return whether it changes the types of the batches before it."""
        self._latest = table
        changes = [
            column.add(table[self._columns[name]]) for name, column in self._inferred.items()
        ]
        self._has_changed |= any(changes)
        return self._has_changed

    @property
    def are_types_settled(self) -> bool:
        """Whether the types are those of the whole file, and all batches so far fit them."""
        return self._types_are_settled and not self._has_changed

    def found_types(self) -> str:
        """Return what was found out about columns of which nothing is said."""
        return json.dumps({name: column.found() for name, column in self._inferred.items()})

    def has_types(self, found_types: str) -> bool:
        """Return whether the types are those that were found in the whole file."""
        found = json.loads(found_types)
        return all(column.has_type(found[name]) for name, column in self._inferred.items())

    def settle_types(self, rest: Iterator[pa.Table], *, needs_rest: bool) -> None:
        """Read the rest of the file; raises NeedsTypes, which carries the types of the whole file.

        It is raised if the rest changes the types, or if the caller `needs_rest`, which is read by
        then. Does nothing if an earlier attempt has settled the types.
        """
        if self.are_types_settled:
            return
        is_read = False
        for table in rest:
            self.add(table)
            is_read = True
        self._types_are_settled = True
        if self._has_changed or (is_read and needs_rest):
            raise NeedsTypes(self.found_types())

    def convert(self, table: pa.Table) -> tuple[Features, dict[int, str]]:
        """Return the model's columns, and the reason for each bad row by its number, from 0.

        They are one block if the model takes it and each of them is said to hold floats; else they
        are a frame. A table that was not added yet is added.
        """
        return self._to_block(table) if self._makes_block else self.to_frame(table)

    def to_frame(self, table: pa.Table) -> tuple[pd.DataFrame, dict[int, str]]:
        """Return what `convert` returns, as a frame whatever the model takes."""
        if table is not self._latest:
            self.add(table)
        values, bad = self._convert_columns(table, self._floats_at_once(table))
        return _frame(values), bad

    def _to_block(self, table: pa.Table) -> tuple[Block, dict[int, str]]:
        floats = self._floats_at_once(table)
        if floats is not None:
            return floats.to_numpy().reshape(len(self._columns), table.num_rows).T, {}
        values, bad = self._convert_columns(table)
        return _block(values.values(), table.num_rows), bad

    def _convert_columns(
        self, table: pa.Table, floats: pa.Array | None = None
    ) -> tuple[dict[str, Values], dict[int, str]]:
        """Convert each column but those among the `floats`, which are converted already."""
        values: dict[str, Values] = {}
        bad: dict[int, str] = {}
        height = table.num_rows
        for name, column in self._columns.items():
            if floats is not None and name in self._floats:
                place = self._floats[name]
                values[name] = pa.chunked_array([floats.slice(place * height, height)])
                continue
            converted = self._convert(name, table[column])
            values[name] = converted.column
            self.has_bad_rows_for_certain |= bool(converted.bad) and name in self._conversions
            for row, reason in converted.bad.items():
                bad.setdefault(row, reason)
        return values, bad

    def _floats_at_once(self, table: pa.Table) -> pa.Array | None:
        """Convert the text of the columns of floats in one step: one column behind the other.

        None if there are many cells, or if any of them is no number.
        """
        if not self._is_text or not 0 < len(self._floats) * table.num_rows <= _FEW_CELLS:
            return None
        together = one_array([table[self._columns[name]] for name in self._floats])
        numbers = None if together.null_count else cast(together, pa.float64())
        return None if numbers is None or np.isnan(numbers.to_numpy()).any() else numbers

    def _convert(self, name: str, column: pa.ChunkedArray) -> Converted:
        if name in self._conversions:
            return self._conversions[name].convert(column)
        values = self._inferred[name].convert()
        if self._takes_missing:
            return Converted(values, {})
        label = self._labels[name]
        return Converted(values, dict.fromkeys(_missing_rows(values), missing_reason(label)))


def _labels(features: Sequence[Feature], inputs: ModelInputs, cells: CellForm) -> dict[str, str]:
    """Return how the reasons of bad rows name each column.

    Where values are masked, so are names that only a CSV's first line gives: it may be a row.
    """
    names = [feature.name for feature in features]
    if is_masked() and inputs.names is None and cells == "text":
        return {name: f"no. {place} of the model" for place, name in enumerate(names, 1)}
    return dict(zip(names, names, strict=True))


def _with_dtype(
    feature: Feature, inputs: ModelInputs, dtypes: Mapping[str, ColumnType]
) -> ColumnSpec | None:
    """Return what is said of a column: the type by WORKER_DTYPES, the rest by the model."""
    column_type = dtypes.get(feature.column, dtypes.get(feature.name))
    if column_type is None:
        return feature.spec
    if feature.spec is not None:
        return replace(feature.spec, type=column_type)
    return ColumnSpec(column_type, missing="nan" if inputs.takes_missing else "refused")


def _count_nulls(feature: Feature, null_count: Callable[[str], int | None] | None) -> bool:
    return bool(null_count is not None and null_count(feature.column))


def _missing_rows(values: Values) -> list[int]:
    if isinstance(values, pa.ChunkedArray):
        rows = rows_where(pc.is_null(values, nan_is_null=True))
    else:
        rows = np.flatnonzero(pd.isna(values))
    found: list[int] = rows.tolist()
    return found


def _block(columns: Collection[pa.ChunkedArray], height: int) -> Block:
    """Put columns of floats into one block; a null becomes NaN."""
    block = np.empty((len(columns), height))
    for place, column in enumerate(columns):
        block[place] = column.to_numpy()
    block.flags.writeable = False
    return block.T


def _frame(values: Mapping[str, Values]) -> pd.DataFrame:
    """Make a frame of the columns, in their order."""
    arrow = {name: column for name, column in values.items() if isinstance(column, pa.ChunkedArray)}
    frame = _arrow_frame(arrow)
    if len(arrow) == len(values):
        return frame
    others = pd.DataFrame(
        {
            name: pd.Series(column, dtype=column.dtype)
            for name, column in values.items()
            if not isinstance(column, pa.ChunkedArray)
        }
    )
    if not arrow:
        return others
    # One by one they would make a frame of as many blocks as columns.
    return pd.concat([frame, others], axis=1)[list(values)]


def _arrow_frame(columns: Mapping[str, pa.ChunkedArray]) -> pd.DataFrame:
    try:
        frame: pd.DataFrame = pa.table(columns).to_pandas(use_threads=False)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        # Python's dates have a smaller range than Arrow's, for example.
        raise SchemaMismatch(
            f"pandas cannot hold {_culprit(columns)}: {message_of(error)}"
        ) from error
    return frame


def _culprit(columns: Mapping[str, pa.ChunkedArray]) -> str:
    """Return the first column that pandas cannot hold, as errors name it."""
    for name, column in columns.items():
        try:
            column.to_pandas()
        except (pa.ArrowException, ValueError, OverflowError):
            return f"the column {name!r} of type {column.type}"
    return "the model's columns"
