"""The parts of a CSV: its bytes, cut at fixed offsets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

from worker.formats.csv.header import Header
from worker.formats.csv.reader import CsvReader
from worker.formats.csv.row_begin import find_row_begin
from worker.formats.csv.row_end import end_of_rows
from worker.formats.memory import InputMemory
from worker.formats.parts import TextParts, cut_at_bytes
from worker.formats.text import cut_pieces, to_utf8
from worker.interfaces import InputReader, Position, ScoreOptions


@dataclass(frozen=True, slots=True)
class CsvParts(TextParts[CsvReader]):
    """Implements worker.formats.parts.Parts for text that is stored as UTF-8."""

    header: Header

    @classmethod
    def of(cls, header: Header, begin: Position, size: int, part_bytes: int) -> Self:
        """Return the parts of a file of that size, of `part_bytes` each if it is not wide."""
        starts = cut_at_bytes(size, part_bytes, header.width)
        return cls(begin, starts, size, replace(header, rest=b""))

    def find_begin(self, text: Iterator[bytes], size: int) -> tuple[int, Iterator[bytes]]:
        """Guess where the first row begins."""
        text, behind = cut_pieces(text, size)
        place, text = find_row_begin(text, self.header.dialect, self.header.width)
        return place, chain(text, behind)

    def end_of_rows(self, text: Iterator[bytes], size: int) -> int:
        """Return where the last row ends of those that begin in the first `size` bytes."""
        return end_of_rows(text, self.header.dialect, size)

    def reader(
        self,
        file: InputReader,
        options: ScoreOptions,
        text: Iterator[bytes],
        begin: Position,
        stop: int,
    ) -> CsvReader:
        """Return a reader of the rows of a text."""
        return CsvReader(
            self.header,
            to_utf8(text, "utf-8", position=begin.offset),
            begin,
            stop=stop,
            encoding=options.encoding,
            hold=InputMemory(file.reserve, options).hold,
            may_reject=options.max_rejected > 0,
        )
