"""Parquet out: columns keep their types."""

import io

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from worker.formats.json_lines.cells import plain_text

_GROUP_ROWS = 100_000
_GROUP_BYTES = 32 * 2**20
_DEFAULT_CODEC = "SNAPPY"


class ParquetSink:
    """Tables to one Parquet file, in row groups that depend on the rows alone.

    A row group ends with the table that brings it to 100,000 rows or 32 MiB.
    """

    def __init__(self, codec: str = _DEFAULT_CODEC) -> None:
        self._codec = "NONE" if codec == "UNCOMPRESSED" else codec
        self._ready = io.BytesIO()
        self._writer: parquet.ParquetWriter | None = None
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows; every table has the first one's schema."""
        table = plain_text(table)
        if self._writer is None:
            self._writer = parquet.ParquetWriter(
                pa.PythonFile(self._ready, "w"), table.schema, compression=self._codec
            )
        self._waiting.append(table)
        self._rows += table.num_rows
        self._bytes += sum(map(_size, table.columns))
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._end_group()
        return self._taken()

    def finish(self) -> bytes:
        """The last row group and the footer."""
        assert self._writer is not None
        if self._rows:
            self._end_group()
        self._writer.close()
        return self._taken()

    def _end_group(self) -> None:
        assert self._writer is not None
        # Pages follow the chunks in memory, and those follow from how the file was read.
        self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._waiting = []
        self._rows = self._bytes = 0

    def _taken(self) -> bytes:
        ready = self._ready.getvalue()
        self._ready.seek(0)
        self._ready.truncate()
        return ready


def _size(column: pa.ChunkedArray) -> int:
    """The bytes of a column's values: of text without its validity bits, which may be left out."""
    if pa.types.is_string(column.type):
        return pc.sum(pc.binary_length(column)).as_py() or 0
    return int(column.nbytes)
