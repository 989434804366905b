"""Writes one part of a Parquet output: its row groups, and their entries in the footer."""

from dataclasses import dataclass

import pyarrow as pa

from worker.footers import field_ids, thrift
from worker.formats.parquet.footer import END, footer_at_end
from worker.formats.parquet.writer import ParquetWriter
from worker.interfaces import RowGroups

# The ids of fields, from parquet.thrift.


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
        groups = thrift.structs(footer, field_ids.ROW_GROUPS)
        entries = [thrift.encode_movable(_movable(group)) for group in groups]
        return data, RowGroups(entries, self.size, thrift.integer(footer, field_ids.ROWS) or 0)


def _movable(group: thrift.Struct) -> thrift.Struct:
    """Return an entry for a row group that may stand anywhere in an output."""
    # The row group's number, which some versions of Arrow write: only encrypted files need it.
    group.pop(field_ids.ORDINAL, None)
    _mark_offset(group, field_ids.GROUP_OFFSET)
    for chunk in thrift.structs(group, field_ids.CHUNKS):
        _mark_offset(chunk, field_ids.CHUNK_OFFSET)
        _, metadata = chunk[field_ids.METADATA]
        _mark_offset(metadata, field_ids.DATA_OFFSET)
        _mark_offset(metadata, field_ids.DICTIONARY_OFFSET)
    return group


def _mark_offset(struct: thrift.Struct, field: int) -> None:
    field_type, offset = struct.get(field, (thrift.I64, 0))
    if offset:  # 0 is that of nothing
        struct[field] = (field_type, thrift.Offset(offset))
