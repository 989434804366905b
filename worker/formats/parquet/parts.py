"""The parts of a Parquet file: runs of whole row groups."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from worker.formats.memory import InputMemory
from worker.formats.parquet.reader import FIRST_ROW, ParquetReader
from worker.interfaces import InputReader, Position, ScoreOptions

# Each part reads the footer of the file, which grows with the file. So parts grow with the footer:
# by their size for so many bytes.
_FOOTER_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class ParquetParts:
    """Implements worker.formats.parts.Parts: an offset is the number of a row group."""

    starts: tuple[int, ...]
    end: int
    begin: Position = FIRST_ROW

    @classmethod
    def of(cls, sizes: Iterable[int], part_bytes: int, footer_bytes: int) -> Self | None:
        """Put row groups of these sizes into parts of so many bytes or more; None: into one."""
        part_bytes *= 1 + footer_bytes // _FOOTER_BYTES
        starts = [0]
        size = end = 0
        for end, group_bytes in enumerate(sizes, 1):
            size += group_bytes
            if size >= part_bytes:
                starts.append(end)
                size = 0
        starts = [start for start in starts if start < end]
        return cls(tuple(starts), end) if len(starts) > 1 else None

    def open(self, file: InputReader, options: ScoreOptions) -> ParquetReader:
        """Return a reader of all rows."""
        return ParquetReader(file, InputMemory(file.reserve, options))

    def open_first(self, file: InputReader, options: ScoreOptions) -> ParquetReader:
        """Return a reader of the first part's rows."""
        return self.open_part(file, options, 0, self.begin)

    def open_part(
        self, file: InputReader, options: ScoreOptions, number: int, begin: Position | None
    ) -> ParquetReader:
        """Return a reader of a part's rows: without `begin` these are the same rows."""
        stops = (*self.starts[1:], self.end)
        return ParquetReader(
            file,
            InputMemory(file.reserve, options),
            begin=begin or Position(self.starts[number], 0),
            stop=stops[number],
        )
