"""Collects the rows of a table, and the malformed lines among them, from parsed blocks."""

import sys
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from worker.formats.base import RejectedRow
from worker.formats.json_lines.lines import Places
from worker.formats.json_lines.parsed_blocks import ParsedBlock


class Batch:
    """The rows of one table."""

    def __init__(self) -> None:
        self.row_count = self.malformed_count = self.text_bytes = 0
        self._parts: list[_Part] = []

    def add(self, parsed: ParsedBlock, table: pa.Table, begin: int, limit: int) -> int:
        """Add a block's lines from an index on, until there are `limit` rows or malformed lines.

        `table` has all rows of the block. Return the index of the first line that is not added.
        """
        end = min(
            _end(parsed.rows, begin, limit - self.row_count),
            _end(parsed.malformed_lines, begin, limit - self.malformed_count),
            len(parsed.block),
        )
        part = _Part(parsed, table, begin, end)
        self._parts.append(part)
        self.row_count += len(part.rows)
        self.malformed_count += len(part.malformed)
        self.text_bytes += parsed.block.size(begin, end)
        return end

    def to_table(self, schema: pa.Schema) -> pa.Table:
        """Return the rows."""
        tables = [part.to_table() for part in self._parts]
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed lines and the bad rows by number, in the file's order."""
        first = 0
        for part in self._parts:
            block, malformed = part.parsed.block, part.parsed.malformed
            reasons = {line: malformed[line] for line in part.malformed.tolist()}
            rows = enumerate(part.rows.tolist(), first)
            reasons |= {line: bad[row] for row, line in rows if row in bad}
            for line in sorted(reasons):
                number = int(block.numbers[line])
                yield RejectedRow(number, reasons[line], block.line(line).decode())
            first += len(part.rows)


class _Part(NamedTuple):
    """The lines of one block from an index to another."""

    parsed: ParsedBlock
    table: pa.Table
    begin: int
    end: int

    @property
    def rows(self) -> Places:
        return _between(self.parsed.rows, self.begin, self.end)

    @property
    def malformed(self) -> Places:
        return _between(self.parsed.malformed_lines, self.begin, self.end)

    def to_table(self) -> pa.Table:
        return self.table.slice(np.searchsorted(self.parsed.rows, self.begin), len(self.rows))


def _between(lines: Places, begin: int, end: int) -> Places:
    """Return which of some lines are from an index to another."""
    first, last = np.searchsorted(lines, (begin, end))
    return lines[first:last]


def _end(lines: Places, begin: int, count: int) -> int:
    """Return the index behind the given count of some lines, from `begin` on, or a large number."""
    wanted = int(np.searchsorted(lines, begin)) + count - 1
    return int(lines[wanted]) + 1 if wanted < len(lines) else sys.maxsize
