"""Times of the type INT96: Arrow wraps them around without a word where its unit cannot hold them.

They are read in the unit that is wanted and, once more, in milliseconds, which hold every one.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import parquet

from worker.errors import Unparsable
from worker.formats.base import RejectedRow

Unit = Literal["ms", "us", "ns"]

PLAIN_UNIT: Unit = "us"  # in which the year 9999 fits
_CONTROL_UNIT: Unit = "ms"
_FEATURE_UNIT: Unit = "ns"  # as pandas has them
_PER_MILLISECOND = {"us": 10**3, "ns": 10**6}
_RANGES = {"us": "which microseconds cannot hold", "ns": "outside of the years 1678 to 2261"}
_MAX_WAITING_ROWS = 10_000


def has_int96(footer: parquet.FileMetaData) -> bool:
    """Return whether a column of the file is of this type."""
    schema = footer.schema
    return any(
        schema.column(position).physical_type == "INT96" for position in range(footer.num_columns)
    )


class Int96Columns:
    """The columns of this type that are read; rows with a time that does not fit are left out.

    A batch gets one more column, the numbers of its rows in the file from 1. `end_batch` takes it
    away.
    """

    def __init__(
        self,
        columns: Sequence[str],
        features: Collection[str],
        open_in: Callable[[Unit], parquet.ParquetFile],
        rows_before: int,
    ) -> None:
        opened = {unit: open_in(unit) for unit in (_CONTROL_UNIT, PLAIN_UNIT)}
        control, plain = (file.schema_arrow for file in opened.values())
        self._units: dict[str, Unit] = {
            name: _FEATURE_UNIT if name in features else PLAIN_UNIT
            for name in columns
            if pa.types.is_timestamp(plain.field(name).type)
            and plain.field(name).type != control.field(name).type
        }
        if _FEATURE_UNIT in self._units.values():
            opened[_FEATURE_UNIT] = open_in(_FEATURE_UNIT)
        self._opened = opened
        self._streams: Mapping[Unit, _Stream] = {}
        self._row = rows_before
        self._waiting: deque[RejectedRow] = deque()
        self._latest: list[RejectedRow] = []
        self._numbers = pa.chunked_array([], pa.int64())
        self.malformed_count = 0
        """The count of rows left out from the beginning to the end of the latest batch."""

    def __bool__(self) -> bool:
        return bool(self._units)

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """Return the schema of the batches: the units of the times, and the rows' numbers."""
        fields = [
            field.with_type(pa.timestamp(self._units[field.name]))
            if field.name in self._units
            else field
            for field in schema
        ]
        return pa.schema([*fields, pa.field("", pa.int64())])

    def begin(self, groups: Sequence[int], rows: int) -> None:
        """Begin to read row groups, beside the batches that are given to `check`."""
        self._streams = {
            unit: _Stream(
                file.iter_batches(
                    rows, row_groups=groups, columns=list(self._units), use_threads=False
                )
            )
            for unit, file in self._opened.items()
        }

    def check(self, batch: pa.RecordBatch, show: Callable[[pa.RecordBatch], str]) -> pa.RecordBatch:
        """Return the next batch with its times in their units, without the rows that do not fit."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        times = {unit: stream.take(batch.num_rows) for unit, stream in self._streams.items()}
        reasons: dict[int, str] = {}
        for name, unit in self._units.items():
            columns[name] = times[unit][name]
            control = _integers(times[_CONTROL_UNIT][name])
            fits = _integers(columns[name]) // _PER_MILLISECOND[unit] == control
            for row in np.flatnonzero(~fits).tolist():
                reasons.setdefault(row, f"column {name!r} is a time {_RANGES[unit]}")
        numbers = np.arange(1, batch.num_rows + 1) + self._row
        self._row += batch.num_rows
        for row, reason in sorted(reasons.items()):
            self._wait(RejectedRow(int(numbers[row]), reason, show(batch.slice(row, 1))))
        checked = pa.RecordBatch.from_arrays(
            [*columns.values(), pa.array(numbers)], schema=self.schema(batch.schema)
        )
        good = np.ones(batch.num_rows, np.bool_)
        good[list(reasons)] = False
        return checked.filter(pa.array(good)) if reasons else checked

    def end_batch(self, table: pa.Table, *, is_last: bool) -> pa.Table:
        """End a batch, with the rows that were left out before its end; of the last one, all."""
        last = table.num_columns - 1
        self._numbers = table.column(last)
        end = self._numbers[-1].as_py() if table.num_rows else 0
        self._latest = []
        while self._waiting and (is_last or self._waiting[0].line < end):
            self._latest.append(self._waiting.popleft())
        self.malformed_count += len(self._latest)
        return table.remove_column(last)

    def rejected_rows(self, bad: Mapping[int, str], texts: Iterator[str]) -> list[RejectedRow]:
        """Return the latest batch's rows that were left out, and the bad ones with their texts."""
        rows = [
            RejectedRow(self._numbers[row].as_py(), bad[row], text)
            for row, text in zip(sorted(bad), texts, strict=True)
        ]
        return sorted([*self._latest, *rows], key=lambda row: row.line)

    def _wait(self, row: RejectedRow) -> None:
        self._waiting.append(row)
        if len(self._waiting) > _MAX_WAITING_ROWS:
            first = self._waiting[0]
            raise Unparsable(
                f"more than {_MAX_WAITING_ROWS:,} rows have a time that cannot be read, from row "
                f"{first.line} on: {first.reason}"
            )


class _Stream:
    """Batches of times, taken in pieces of other lengths."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rest: list[pa.RecordBatch] = []

    def take(self, rows: int) -> dict[str, pa.Array]:
        """Return the next rows of each column."""
        while sum(batch.num_rows for batch in self._rest) < rows:
            self._rest.append(next(self._batches))
        table = pa.Table.from_batches(self._rest)
        self._rest = table.slice(rows).to_batches()
        taken = table.slice(0, rows).combine_chunks().to_batches()
        return {name: taken[0][name] for name in table.column_names}


def _integers(times: pa.Array) -> npt.NDArray[np.int64]:
    integers: npt.NDArray[np.int64] = times.cast(pa.int64()).fill_null(0).to_numpy()
    return integers
