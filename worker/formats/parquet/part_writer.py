"""Writes one part of a Parquet output: its row groups, and their entries in the footer."""

from dataclasses import dataclass

import pyarrow as pa

from worker.footers import thrift
from worker.formats.parquet.footer import END, footer_at_end
from worker.formats.parquet.writer import ParquetWriter
from worker.interfaces import RowGroups

# The ids of fields, from parquet.thrift.
_ROWS, _ROW_GROUPS = 3, 4  # of the footer
_CHUNKS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7  # of a row group
_CHUNK_OFFSET, _METADATA = 2, 3  # of a column's chunk
_DATA_OFFSET, _DICTIONARY_OFFSET = 9, 11  # of its metadata


@dataclass(slots=True)
class ParquetPartWriter:
    """Implements worker.formats.parts.PartWriter.

    Its row groups are those of a file that has the rows of this part only. The offsets of that file
    are those of the output if the part is the first one: both begin with the same header.
    """

    writer: ParquetWriter
    size: int = 0
    """The bytes of the row groups so far."""

    def header(self, table: pa.Table) -> tuple[bytes, bytes]:
        """Return what stands before the row groups, and the footer of an output without any."""
        return self.writer.write(table.slice(0, 0)), self.writer.footer_without_rows()

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows, and return the row groups that are complete."""
        data = self.writer.write(table)
        self.size += len(data)
        return data

    def finish(self) -> tuple[bytes, RowGroups]:
        """Return the last row group, and the footer's entries for all row groups."""
        end = self.writer.finish()
        encoded = footer_at_end(end)
        data = end[: -END.size - len(encoded)]
        self.size += len(data)
        footer = thrift.decode(encoded)
        groups = thrift.structs(footer, _ROW_GROUPS)
        entries = [thrift.encode_movable(_movable(group)) for group in groups]
        return data, RowGroups(entries, self.size, thrift.integer(footer, _ROWS) or 0)


def _movable(group: thrift.Struct) -> thrift.Struct:
    """Return an entry for a row group that may stand anywhere in an output."""
    # The row group's number, which some versions of Arrow write: only encrypted files need it.
    group.pop(_ORDINAL, None)
    _mark_offset(group, _GROUP_OFFSET)
    for chunk in thrift.structs(group, _CHUNKS):
        _mark_offset(chunk, _CHUNK_OFFSET)
        _, metadata = chunk[_METADATA]
        _mark_offset(metadata, _DATA_OFFSET)
        _mark_offset(metadata, _DICTIONARY_OFFSET)
    return group


def _mark_offset(struct: thrift.Struct, field: int) -> None:
    field_type, offset = struct.get(field, (thrift.I64, 0))
    if offset:  # 0 is that of nothing
        struct[field] = (field_type, thrift.Offset(offset))
