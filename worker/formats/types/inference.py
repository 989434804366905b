"""Columns of which nothing is said: typed as pandas types them in the whole file.

The first batch decides. A later batch with cells that change pandas' choice is told by `add`; the
file must then be read again, with the kinds of all of its cells. Of CSV and JSON Lines any batch
may be added right behind the first one: no cells change the choice together that do not change it
alone.
"""

from collections.abc import Hashable
from typing import Any, Protocol, cast

import pyarrow as pa

from worker.formats.base import CellForm
from worker.formats.types.arrow_kinds import ArrowKinds, convert_arrow
from worker.formats.types.csv_kinds import CsvKinds, convert_csv
from worker.formats.types.json_kinds import JsonKinds, JsonType, convert_json
from worker.formats.types.objects import Values


class _Kinds(Protocol):
    @property
    def type(self) -> Hashable: ...
    def add(self, column: pa.ChunkedArray) -> None: ...
    def dump(self) -> Any: ...  # noqa: ANN401 - any JSON value


def _new_kinds(cells: CellForm, found: Any, *, missing: bool) -> _Kinds:  # noqa: ANN401 - JSON
    if cells == "text":
        return CsvKinds() if found is None else CsvKinds.load(found)
    if cells == "json":
        return JsonKinds() if found is None else JsonKinds.load(found)
    return ArrowKinds(missing=missing) if found is None else ArrowKinds.load(found)


class InferredColumn:
    """One column of which nothing is said.

    `found` are the kinds of its cells in the whole file, if an earlier attempt has found them, or
    in the first batch.
    `missing` is whether a Parquet file's footer says that cells are missing.
    """

    def __init__(
        self,
        name: str,
        cells: CellForm,
        found: Any = None,  # noqa: ANN401 - any JSON value
        *,
        missing: bool = False,
    ) -> None:
        self._name = name
        self._cells = cells
        self._kinds = _new_kinds(cells, found, missing=missing)
        self._type: Hashable = None if found is None else self._kinds.type

    def add(self, column: pa.ChunkedArray) -> bool:
        """Take note of one more batch; return whether it changes the type of earlier batches."""
        self._latest = column
        self._kinds.add(column)
        if self._type is None and len(column):
            self._type = self._kinds.type
        return self._type is not None and self._type != self._kinds.type

    def has_type(self, found: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Return whether the column's type is that of the kinds that were found."""
        return self._type == _new_kinds(self._cells, found, missing=False).type

    def found(self) -> Any:  # noqa: ANN401 - any JSON value
        """Return the kinds of the cells so far as a JSON value."""
        return self._kinds.dump()

    def convert(self) -> Values:
        """Convert the column that was added last to the type of all cells so far."""
        if self._cells == "text":
            return convert_csv(self._latest, cast("CsvKinds", self._kinds))
        if self._cells == "json":
            return convert_json(self._latest, cast("JsonType", self._kinds.type))
        return convert_arrow(self._name, self._latest, cast("ArrowKinds", self._kinds))
