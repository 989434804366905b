"""Writes Parquet: columns keep their types."""

import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from worker.formats.json_lines.cells import json_to_text
from worker.formats.parquet.footer import footer_at_end

_GROUP_ROWS = 100_000
_GROUP_BYTES = 32 * 2**20
_DEFAULT_CODEC = "SNAPPY"
# As Arrow names the codecs of a file, and as its writer does. LZ4 of Hadoop and LZO can only be
# read, or not even that.
_CODECS: dict[str | None, str] = {
    "UNCOMPRESSED": "NONE",
    **{name: name for name in ("SNAPPY", "GZIP", "BROTLI", "LZ4", "ZSTD")},
}


class ParquetWriter:
    """Writes tables to one Parquet file, in row groups that depend on the rows alone.

    A row group ends with the table that brings it to 100,000 rows or 32 MiB. Where the codec cannot
    be written, Snappy is.
    """

    def __init__(self, codec: Callable[[], str | None] = lambda: None) -> None:
        """Take a function that returns the codec, as Arrow names it, when the first table comes."""
        self._codec = codec
        self._buffer = io.BytesIO()
        self._writer: parquet.ParquetWriter | None = None
        self._tables: list[pa.Table] = []  # of the row group under way
        self._rows = self._bytes = 0

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows; every table has the schema of the first one."""
        table = json_to_text(table)
        if self._writer is None:
            self._writer = self._open(self._buffer, table.schema)
        self._tables.append(table)
        self._rows += table.num_rows
        self._bytes += sum(map(_column_bytes, table.columns))
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._end_group()
        return self._take()

    def finish(self) -> bytes:
        """Return the last row group and the footer."""
        assert self._writer is not None
        if self._rows:
            self._end_group()
        self._writer.close()
        return self._take()

    def footer_without_rows(self) -> bytes:
        """Return the footer of a file that has the same columns and no rows."""
        assert self._writer is not None
        file = io.BytesIO()
        self._open(file, self._writer.schema).close()
        return footer_at_end(file.getvalue())

    def _open(self, buffer: io.BytesIO, schema: pa.Schema) -> parquet.ParquetWriter:
        codec = _CODECS.get(self._codec(), _DEFAULT_CODEC)
        return parquet.ParquetWriter(pa.PythonFile(buffer, "w"), schema, compression=codec)

    def _end_group(self) -> None:
        assert self._writer is not None
        # Pages are cut at the chunks in memory, which depend on how the file was read: make one.
        self._writer.write_table(pa.concat_tables(self._tables).combine_chunks())
        self._tables = []
        self._rows = self._bytes = 0

    def _take(self) -> bytes:
        """Return the bytes that were written since the last call."""
        ready = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return ready


def _column_bytes(column: pa.ChunkedArray) -> int:
    """Return the size of a column's values.

    Text counts without validity bits: it has them or not, depending on how the file was read.
    """
    if pa.types.is_string(column.type):
        return pc.sum(pc.binary_length(column)).as_py() or 0
    return int(column.nbytes)
