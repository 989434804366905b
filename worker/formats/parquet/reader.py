"""Parquet in: the footer first, then the columns that are read, some row groups at a time."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

import pyarrow as pa
from pyarrow import parquet

from worker.errors import Unparsable
from worker.formats.base import Cells, Reject, rebatch
from worker.formats.parquet.range_file import Fetched
from worker.formats.parquet.row_groups import Window, windows
from worker.formats.parquet.writer import ParquetSink
from worker.interfaces import Format, InputReader

_READ_ROWS = 10_000
_WINDOW_BYTES = 16 * 2**20
_TAIL_BYTES = 64 * 2**10
_END = struct.Struct("<I4s")  # the footer's length and the magic number
_MIB = 2**20


class ParquetSource:
    """A Parquet file, of which only the columns asked for are fetched."""

    format: ClassVar[Format] = "parquet"
    place: ClassVar[str] = "row"
    cells: ClassVar[Cells] = "typed"

    def __init__(self, reader: InputReader, *, memory_bytes: int) -> None:
        self._blob = reader
        self._memory_bytes = memory_bytes
        self._fetched = Fetched(reader)
        self._fetch_footer()
        with _refusing_damage():
            self._file = parquet.ParquetFile(
                pa.PythonFile(self._fetched, "r"),
                pre_buffer=False,
                page_checksum_verification=True,
                # As nanoseconds, Arrow's default, the year 9999 would silently become 1816.
                coerce_int96_timestamp_unit="us",
            )
            self._schema = self._file.schema_arrow.remove_metadata()
            self.names = tuple(self._schema.names)
        self._batch = self._schema.empty_table()
        self._rows_before = 0

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Tables of `rows` rows."""
        schema = pa.schema([self._schema.field(name) for name in columns])
        for table in rebatch(self._read(list(columns)), schema, rows):
            self._rows_before += self._batch.num_rows
            self._batch = table
            yield table

    def malformed(self) -> int:
        """None: a row of a Parquet file has every column."""
        return 0

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """The bad rows as JSON objects of the columns that were read, numbered from 1."""
        for row in sorted(bad):
            yield Reject(self._rows_before + row + 1, bad[row], _as_json(self._batch.slice(row, 1)))

    def sink(self) -> ParquetSink:
        """A writer with the codec of the file's first column."""
        footer = self._file.metadata
        if not footer.num_row_groups or not footer.num_columns:
            return ParquetSink()
        return ParquetSink(footer.row_group(0).column(0).compression)

    def _fetch_footer(self) -> None:
        size = self._blob.size
        if size < _END.size:
            raise Unparsable("the Parquet file is corrupt or truncated: it ends too soon")
        tail = max(0, size - _TAIL_BYTES)
        self._fetched.fetch([(tail, size)])
        self._fetched.seek(size - _END.size)
        length, magic = _END.unpack(self._fetched.read(_END.size))
        if magic == b"PARE":
            raise Unparsable("the Parquet file is encrypted")
        if magic != b"PAR1" or length + _END.size > size:
            raise Unparsable("the Parquet file is corrupt or truncated: its end is not a footer")
        if (footer := size - _END.size - length) < tail:
            self._reserve(length, "the footer")
            self._fetched.fetch([(footer, size)])

    def _read(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with _refusing_damage():
            limit = min(_WINDOW_BYTES, self._memory_bytes)
            footer = self._file.metadata
            planned = list(windows(footer, columns, size=self._blob.size, limit=limit))
        largest = max(planned, key=lambda window: window.size, default=None)
        if largest is not None:
            self._reserve(largest.size, f"row group {largest.groups[0] + 1}")
        for window in planned:
            self._fetched.fetch(window.ranges)
            yield from self._decoded(window, columns)

    def _decoded(self, window: Window, columns: list[str]) -> Iterator[pa.RecordBatch]:
        missing = sum(self._file.metadata.row_group(group).num_rows for group in window.groups)
        with _refusing_damage():
            for batch in self._file.iter_batches(
                _READ_ROWS, row_groups=window.groups, columns=columns, use_threads=False
            ):
                # A name with a dot in it also matches as a path: the selection is made again.
                found = batch.select(columns).replace_schema_metadata()
                found.validate(full=True)
                missing -= found.num_rows
                yield found
            if missing:
                raise ValueError(f"it lacks {missing} rows that its footer has")

    def _reserve(self, size: int, what: str) -> None:
        if size > self._memory_bytes:
            raise Unparsable(
                f"{what} takes {size / _MIB:.1f} MiB at once, and WORKER_MEMORY_MB allows "
                f"{self._memory_bytes / _MIB:.1f}: raise it, or write smaller row groups"
            )
        if size > _WINDOW_BYTES:
            self._blob.reserve(size)


def _as_json(row: pa.Table) -> str:
    return (
        "{"
        + ", ".join(f"{_dumped(name)}: {_cell(row[name][0])}" for name in row.schema.names)
        + "}"
    )


def _cell(cell: pa.Scalar) -> str:
    try:
        return _dumped(cell.as_py())
    except (ValueError, OverflowError):  # a time that Python does not have
        return _dumped(f"a {cell.type} that cannot be shown")


_dumped = partial(json.dumps, default=str, ensure_ascii=False)


@contextmanager
def _refusing_damage() -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unparsable(f"the Parquet file is corrupt or truncated: {error}") from error
