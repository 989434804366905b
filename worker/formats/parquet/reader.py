"""Reads Parquet: first the footer, then the columns that are needed, some row groups at a time."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from typing import ClassVar

import pyarrow as pa
from pyarrow import parquet

from worker.errors import SchemaMismatch, Unparsable
from worker.formats.base import CellForm, RejectedRow, rebatch
from worker.formats.memory import InputMemory
from worker.formats.parquet.footer import END, count_nulls, pandas_index, refuse_encryption
from worker.formats.parquet.int96 import PLAIN_UNIT, Int96Columns, Unit, has_int96
from worker.formats.parquet.range_file import RangeFile
from worker.formats.parquet.row_groups import (
    RowGroupFetch,
    first_codec,
    group_sizes,
    groups_with_rows,
    plan_fetches,
)
from worker.formats.parquet.unreadable import ReadableFooter, in_memory
from worker.formats.parquet.writer import ParquetWriter
from worker.interfaces import Format, InputReader, Position
from worker.quoting import message_of

_READ_ROWS = 10_000
# Small row groups are fetched together up to this size. Not up to all memory that is reserved: the
# rows of a fetch are decoded only when all of it is there.
_FETCH_BYTES = 16 * 2**20
_TAIL_BYTES = 64 * 2**10  # fetched first; most footers are shorter
_MIB = 2**20
FIRST_ROW = Position(0, 1)  # row group and row


class ParquetReader:
    """Reads a Parquet file; only the footer and the columns asked for are fetched.

    With `begin` and `stop` only the row groups from the one to the other are read, by number from
    0. The rows are counted from `begin.line`.
    """

    format: ClassVar[Format] = "parquet"
    position_unit: ClassVar[str] = "row"
    cells: ClassVar[CellForm] = "typed"

    def __init__(
        self,
        file: InputReader,
        memory: InputMemory,
        *,
        begin: Position = FIRST_ROW,
        stop: int | None = None,
    ) -> None:
        self.begin = begin
        self._file_size = file.size
        self._is_whole = len(file.first) == file.size
        self._memory = memory
        self._fetched = RangeFile(file)
        self._footer = self._fetch_footer()
        self._unreadable: Mapping[str, str] = {}
        with _refusing_damage():
            self._parquet = self._open()
            self._schema = self._parquet.schema_arrow.remove_metadata()
            self.names = tuple(self._schema.names)
            # Before any column of the footer is looked at.
            refuse_encryption(self._footer, self._parquet.metadata.serialized_size)
            self.index_names = pandas_index(self._parquet.metadata.metadata)
            self._groups = range(self._parquet.metadata.num_row_groups)[begin.offset : stop]
        self._features: frozenset[str] = frozenset()
        self._codec: str | None = None
        self._int96: Int96Columns | None = None  # set if there are such columns to read
        self._batch = pa.table({})
        self._rows_before = begin.line - FIRST_ROW.line
        self._at_end = False

    @property
    def end(self) -> Position:
        """Where the rows end that are read."""
        rows = sum(self._parquet.metadata.row_group(group).num_rows for group in self._groups)
        return Position(self._groups.stop, self.begin.line + rows)

    @property
    def footer_bytes(self) -> int:
        """The bytes of the footer."""
        return len(self._footer)

    def group_sizes(self) -> list[int]:
        """Return the bytes of each row group before compression."""
        with _refusing_damage():
            return group_sizes(self._parquet.metadata)

    def model_reads(self, names: Iterable[str]) -> None:
        """Set which columns the model reads: their INT96 is nanoseconds, as pandas reads it."""
        self._features = frozenset(names)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Read the columns in tables of `rows` rows.

        INT96 that the model does not read is microseconds, which hold more years. A row with a time
        that its unit does not hold is malformed.
        """
        self._refuse_unreadable(columns)
        schema = pa.schema([self._schema.field(name) for name in columns])
        with _refusing_damage():
            if has_int96(self._parquet.metadata):
                self._int96 = (
                    Int96Columns(columns, self._features, self._reopen, self._rows_before) or None
                )
        if self._int96:
            schema = self._int96.schema(schema)
        for table in rebatch(self._read_fetches(list(columns)), schema, rows):
            self._rows_before += self._batch.num_rows
            self._batch = table
            if self._int96:
                self._batch = self._int96.end_batch(table, is_last=self._at_end)
            yield self._batch

    def null_count(self, name: str) -> int | None:
        """Return the count of nulls in a column, as the footer has it; None if it has not."""
        return self._null_counts.get(name)

    @cached_property
    def _null_counts(self) -> Mapping[str, int | None]:
        with _refusing_damage():
            return count_nulls(self._footer)

    def malformed_count(self) -> int:
        """Count the rows with a time that does not fit, to the end of the latest batch."""
        return self._int96.malformed_count if self._int96 else 0

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the rejected rows as JSON objects of the columns read, with row numbers from 1."""
        texts = (_as_json(self._batch.slice(row, 1)) for row in sorted(bad))
        if self._int96:
            yield from self._int96.rejected_rows(bad, texts)
            return
        for row, text in zip(sorted(bad), texts, strict=True):
            yield RejectedRow(self._rows_before + row + 1, bad[row], text)

    def writer(self) -> ParquetWriter:
        """Return a writer with the codec of the first column that is read."""
        return ParquetWriter(lambda: self._codec)

    def _fetch_footer(self) -> bytes:
        size = self._file_size
        if size < END.size:
            raise Unparsable("the Parquet file is corrupt or truncated: it ends too soon")
        tail = max(0, size - _TAIL_BYTES)
        self._fetched.fetch([(tail, size)])
        self._fetched.seek(size - END.size)
        length, magic = END.unpack(self._fetched.read(END.size))
        if magic == b"PARE":
            raise Unparsable("the Parquet file is encrypted: write it without encryption")
        if magic != b"PAR1" or length + END.size > size:
            raise Unparsable("the Parquet file is corrupt or truncated: its end is not a footer")
        if (footer := size - END.size - length) < tail:
            self._reserve(length, "the footer")
            self._fetched.fetch([(footer, size)])
        self._fetched.seek(footer)
        return bytes(self._fetched.read(length))

    def _open(self) -> parquet.ParquetFile:
        """Open the file; columns that Arrow cannot read do not matter until they are read."""
        try:
            return self._open_with(None, PLAIN_UNIT)
        except _DAMAGE as error:
            try:
                readable = ReadableFooter(self._footer)
            except ValueError:
                raise error from None
            self._unreadable = readable.reasons
            self._footer = readable.footer
            return self._open_with(in_memory(readable.footer).metadata, PLAIN_UNIT)

    def _reopen(self, unit: Unit) -> parquet.ParquetFile:
        return self._open_with(self._parquet.metadata, unit)

    def _open_with(self, footer: parquet.FileMetaData | None, unit: Unit) -> parquet.ParquetFile:
        opened = parquet.ParquetFile(
            pa.PythonFile(self._fetched, "r"),
            metadata=footer,
            pre_buffer=False,
            page_checksum_verification=True,
            # In nanoseconds, Arrow's default, the year 9999 would silently become 1816.
            coerce_int96_timestamp_unit=unit,
        )
        opened.schema_arrow  # noqa: B018 - raises if Arrow has no type for a column
        return opened

    def _refuse_unreadable(self, columns: Sequence[str]) -> None:
        for name in columns:
            if reason := self._unreadable.get(name):
                raise SchemaMismatch(f"the column {name!r} cannot be read: {reason}")

    def _read_fetches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if self._is_whole:
            yield from self._read_whole(columns)
        else:
            yield from self._read_ranges(columns)
        self._at_end = True

    def _read_whole(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Read a file that came with the job: nothing of it must be planned or fetched."""
        with _refusing_damage():
            groups = list(groups_with_rows(self._parquet.metadata, self._groups))
        try:
            if groups:
                yield from self._decode(groups, columns)
        except Unparsable:
            self._plan(columns)  # its error is clearer, if it finds one
            raise

    def _read_ranges(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        fetches = self._plan(columns)
        # Reserve for the largest fetch now: reserving may restart the job, so before any work.
        largest = max(fetches, key=lambda fetch: fetch.size, default=None)
        if largest is not None:
            self._reserve(largest.size, f"row group {largest.groups[0] + 1}")
        for fetch in fetches:
            self._fetched.fetch(fetch.ranges)
            yield from self._decode(fetch.groups, columns)

    def _plan(self, columns: list[str]) -> list[RowGroupFetch]:
        with _refusing_damage():
            return list(
                plan_fetches(
                    self._parquet.metadata,
                    columns,
                    self._groups,
                    file_size=self._file_size,
                    fetch_bytes=min(_FETCH_BYTES, self._memory.reserved),
                )
            )

    def _decode(self, groups: list[int], columns: list[str]) -> Iterator[pa.RecordBatch]:
        missing = sum(self._parquet.metadata.row_group(group).num_rows for group in groups)
        with _refusing_damage():
            if self._int96:
                self._int96.begin(groups, _READ_ROWS)
            for batch in self._parquet.iter_batches(
                _READ_ROWS, row_groups=groups, columns=columns, use_threads=False
            ):
                # Arrow takes a name with a dot also for a path, and may return more columns.
                found = batch.select(columns).replace_schema_metadata()
                found.validate(full=True)
                missing -= found.num_rows
                # Not before: Arrow aborts the process at a codec that does not exist.
                self._codec = self._codec or first_codec(self._parquet.metadata, columns, groups[0])
                yield self._int96.check(found, _as_json) if self._int96 else found
            if missing:
                raise ValueError(f"it lacks {missing} rows that its footer has")

    def _reserve(self, size: int, part: str) -> None:
        if size > self._memory.limit:
            raise Unparsable(
                f"{part} takes {size / _MIB:.1f} MiB at once, and WORKER_MEMORY_MB allows "
                f"{self._memory.limit / _MIB:.1f}: raise it, or write smaller row groups"
            )
        self._memory.reserve(size)


def _as_json(row: pa.Table | pa.RecordBatch) -> str:
    members = (f"{_dump(name)}: {_cell_as_json(row[name][0])}" for name in row.schema.names)
    return f"{{{', '.join(members)}}}"


def _cell_as_json(cell: pa.Scalar) -> str:
    try:
        return _dump(cell.as_py())
    except (ValueError, OverflowError):  # Python's times have a smaller range than Arrow's
        return _dump(f"a {cell.type} that cannot be shown")


def _shown(value: object) -> str:
    """Return what JSON has no value for; bytes are the text that Impala and Hive mean by them."""
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return str(value)


_dump = partial(json.dumps, default=_shown, ensure_ascii=False)
_DAMAGE = (pa.ArrowException, OSError, ValueError)


@contextmanager
def _refusing_damage() -> Iterator[None]:
    """Raise Unparsable in place of the errors that Arrow raises for a damaged file."""
    try:
        yield
    except _DAMAGE as error:
        raise Unparsable(
            f"the Parquet file is corrupt or truncated: {message_of(error)}"
        ) from error
