"""Reads Parquet: first the footer, then the columns that are needed, some row groups at a time."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

import pyarrow as pa
from pyarrow import parquet

from worker.errors import Unparsable
from worker.formats.base import CellForm, RejectedRow, rebatch
from worker.formats.memory import InputMemory
from worker.formats.parquet.range_file import RangeFile
from worker.formats.parquet.row_groups import RowGroupFetch, plan_fetches
from worker.formats.parquet.writer import ParquetWriter
from worker.interfaces import Format, InputReader

_READ_ROWS = 10_000
# Small row groups are fetched together up to this size. Not up to all memory that is reserved: the
# rows of a fetch are decoded only when all of it is there.
_FETCH_BYTES = 16 * 2**20
_TAIL_BYTES = 64 * 2**10  # fetched first; most footers are shorter
_END = struct.Struct("<I4s")  # the footer's length, and the magic number
_MIB = 2**20


class ParquetReader:
    """Reads a Parquet file; only the footer and the columns asked for are fetched."""

    format: ClassVar[Format] = "parquet"
    position_unit: ClassVar[str] = "row"
    cells: ClassVar[CellForm] = "typed"

    def __init__(self, file: InputReader, memory: InputMemory) -> None:
        self._file_size = file.size
        self._memory = memory
        self._fetched = RangeFile(file)
        self._fetch_footer()
        with _refusing_damage():
            self._parquet = parquet.ParquetFile(
                pa.PythonFile(self._fetched, "r"),
                pre_buffer=False,
                page_checksum_verification=True,
                # In nanoseconds, Arrow's default, the year 9999 would silently become 1816.
                coerce_int96_timestamp_unit="us",
            )
            self._schema = self._parquet.schema_arrow.remove_metadata()
            self.names = tuple(self._schema.names)
        self._batch = self._schema.empty_table()
        self._rows_before = 0

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Read the columns in tables of `rows` rows."""
        schema = pa.schema([self._schema.field(name) for name in columns])
        for table in rebatch(self._read_fetches(list(columns)), schema, rows):
            self._rows_before += self._batch.num_rows
            self._batch = table
            yield table

    def malformed_count(self) -> int:
        """Return 0: in Parquet every row has every column."""
        return 0

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the bad rows as JSON objects of the columns read, with row numbers from 1."""
        for row in sorted(bad):
            text = _as_json(self._batch.slice(row, 1))
            yield RejectedRow(self._rows_before + row + 1, bad[row], text)

    def writer(self) -> ParquetWriter:
        """Return a writer with the codec of the file's first column."""
        footer = self._parquet.metadata
        if not footer.num_row_groups or not footer.num_columns:
            return ParquetWriter()
        return ParquetWriter(footer.row_group(0).column(0).compression)

    def _fetch_footer(self) -> None:
        size = self._file_size
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

    def _read_fetches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        fetches = self._plan(columns)
        # Reserve for the largest fetch now: reserving may restart the job, so before any work.
        largest = max(fetches, key=lambda fetch: fetch.size, default=None)
        if largest is not None:
            self._reserve(largest.size, f"row group {largest.groups[0] + 1}")
        for fetch in fetches:
            self._fetched.fetch(fetch.ranges)
            yield from self._decode(fetch, columns)

    def _plan(self, columns: list[str]) -> list[RowGroupFetch]:
        with _refusing_damage():
            return list(
                plan_fetches(
                    self._parquet.metadata,
                    columns,
                    file_size=self._file_size,
                    fetch_bytes=min(_FETCH_BYTES, self._memory.reserved),
                )
            )

    def _decode(self, fetch: RowGroupFetch, columns: list[str]) -> Iterator[pa.RecordBatch]:
        missing = sum(self._parquet.metadata.row_group(group).num_rows for group in fetch.groups)
        with _refusing_damage():
            for batch in self._parquet.iter_batches(
                _READ_ROWS, row_groups=fetch.groups, columns=columns, use_threads=False
            ):
                # Arrow takes a name with a dot also for a path, and may return more columns.
                found = batch.select(columns).replace_schema_metadata()
                found.validate(full=True)
                missing -= found.num_rows
                yield found
            if missing:
                raise ValueError(f"it lacks {missing} rows that its footer has")

    def _reserve(self, size: int, part: str) -> None:
        if size > self._memory.limit:
            raise Unparsable(
                f"{part} takes {size / _MIB:.1f} MiB at once, and WORKER_MEMORY_MB allows "
                f"{self._memory.limit / _MIB:.1f}: raise it, or write smaller row groups"
            )
        self._memory.reserve(size)


def _as_json(row: pa.Table) -> str:
    members = (f"{_dump(name)}: {_cell_as_json(row[name][0])}" for name in row.schema.names)
    return f"{{{', '.join(members)}}}"


def _cell_as_json(cell: pa.Scalar) -> str:
    try:
        return _dump(cell.as_py())
    except (ValueError, OverflowError):  # Python's times have a smaller range than Arrow's
        return _dump(f"a {cell.type} that cannot be shown")


_dump = partial(json.dumps, default=str, ensure_ascii=False)


@contextmanager
def _refusing_damage() -> Iterator[None]:
    """Raise Unparsable in place of the errors that Arrow raises for a damaged file."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Unparsable(f"the Parquet file is corrupt or truncated: {error}") from error
