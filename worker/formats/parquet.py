"""Parquet in and out: columns keep their types."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa
from pyarrow import parquet

from worker.blob import Blob
from worker.errors import Unparsable
from worker.formats.tables import Cells, Reject, rebatch
from worker.scored import Format

_READ_ROWS = 10_000
_GROUP_ROWS = 100_000
_DEFAULT_CODEC = "SNAPPY"


class ParquetSource:
    """A Parquet file."""

    format: ClassVar[Format] = "parquet"
    place: ClassVar[str] = "row"
    cells: ClassVar[Cells] = "typed"

    def __init__(self, blob: Blob, *, memory_bytes: int) -> None:
        assert blob.size <= memory_bytes
        rest = blob.read([(len(blob.first), blob.size)]) if len(blob.first) < blob.size else ()
        body = b"".join([blob.first, *rest])
        self._yielded = self._begin = 0
        try:
            self._file = parquet.ParquetFile(pa.BufferReader(body))
            self._schema = self._file.schema_arrow.remove_metadata()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from error
        self.names = tuple(self._schema.names)

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Tables of `rows` rows."""
        schema = pa.schema([self._schema.field(name) for name in columns])
        for table in rebatch(self._read(list(columns)), schema, rows):
            self._begin, self._yielded = self._yielded, self._yielded + table.num_rows
            yield table

    def _read(self, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._file.iter_batches(_READ_ROWS, columns=columns, use_threads=False):
                # A name with a dot in it also matches as a path: the selection is made again.
                found = batch if columns is None else batch.select(columns)
                yield found.replace_schema_metadata()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from error

    def malformed(self) -> int:
        """None: a row of a Parquet file has every column."""
        return 0

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """The bad rows as JSON objects, numbered from 1; the file is read again for them."""
        start = 0
        for batch in self._read(None) if bad else ():
            for row in range(start, start + batch.num_rows):
                if row - self._begin in bad:
                    (found,) = batch.slice(row - start, 1).to_pylist()
                    raw = json.dumps(found, default=str, ensure_ascii=False)
                    yield Reject(row + 1, bad[row - self._begin], raw)
            start += batch.num_rows

    def sink(self) -> "ParquetSink":
        """A writer with the codec of the file's first column."""
        footer = self._file.metadata
        if not footer.num_row_groups or not footer.num_columns:
            return ParquetSink()
        return ParquetSink(footer.row_group(0).column(0).compression)


class ParquetSink:
    """Tables to one Parquet file, in row groups of a fixed row count."""

    def __init__(self, codec: str = _DEFAULT_CODEC) -> None:
        self._codec = "NONE" if codec == "UNCOMPRESSED" else codec
        self._buffer = pa.BufferOutputStream()
        self._writer: parquet.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows; every table has the first one's schema."""
        if self._writer is None:
            self._writer = parquet.ParquetWriter(
                self._buffer, table.schema, compression=self._codec
            )
        self._waiting.append(table)
        if sum(waiting.num_rows for waiting in self._waiting) >= _GROUP_ROWS:
            self._flush()
        return b""

    def finish(self) -> bytes:
        """The whole file."""
        assert self._writer is not None
        self._flush()
        self._writer.close()
        return bytes(self._buffer.getvalue())

    def _flush(self) -> None:
        assert self._writer is not None
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []


def _damaged(error: Exception) -> Unparsable:
    return Unparsable(f"the Parquet file is corrupt or truncated: {error}")
