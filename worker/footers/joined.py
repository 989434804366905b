"""The footer of a Parquet output that is predicted part by part."""

import struct

from worker.footers import field_ids, thrift
from worker.interfaces import RowGroups


class JoinedFooter:
    """Takes the entries of the row groups of each part, in the order of the parts."""

    def __init__(self, without_rows: bytes) -> None:
        """Take the footer of an output without rows: it has all but the rows and the row groups."""
        self._without_rows = without_rows
        self._entries: list[bytes] = []
        self._size = self._rows = 0  # of the row groups so far

    def add(self, groups: RowGroups) -> None:
        """Add the entries for the row groups that stand behind those that were added before."""
        self._entries += [entry.at(self._size) for entry in groups.entries]
        self._size += groups.size
        self._rows += groups.rows

    def finish(self) -> bytes:
        """Return the end of the output."""
        footer = thrift.decode(self._without_rows)
        footer[field_ids.ROWS] = (thrift.I64, self._rows)
        footer[field_ids.ROW_GROUPS] = (thrift.LIST, thrift.Sequence(thrift.STRUCT, self._entries))
        encoded = thrift.encode(footer)
        return encoded + struct.pack("<I4s", len(encoded), b"PAR1")
