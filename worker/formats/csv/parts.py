"""The parts of a CSV: its bytes, cut at fixed offsets."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

from worker.formats.csv.header import Header
from worker.formats.csv.reader import CsvReader
from worker.formats.csv.row_begin import find_row_begin
from worker.formats.memory import InputMemory
from worker.formats.parts import cut_at_bytes, read_from
from worker.formats.text import cut_pieces, to_utf8
from worker.interfaces import InputReader, Position, ScoreOptions


@dataclass(frozen=True, slots=True)
class CsvParts:
    """Implements worker.formats.parts.Parts for text that is stored as UTF-8."""

    header: Header
    begin: Position
    starts: range
    end: int

    @classmethod
    def of(cls, header: Header, begin: Position, size: int, part_bytes: int) -> Self:
        """Return the parts of a file of that size, of `part_bytes` each if it is not wide."""
        starts = cut_at_bytes(size, part_bytes, header.width)
        return cls(replace(header, rest=b""), begin, starts, size)

    def open(self, file: InputReader, options: ScoreOptions) -> CsvReader:
        """Return a reader of all rows."""
        text = read_from(file, self.begin.offset, self.end)
        return self._reader(file, options, text, self.begin, self.end)

    def open_part(
        self, file: InputReader, options: ScoreOptions, number: int, begin: Position | None
    ) -> CsvReader:
        """Return a reader of the rows that begin in a part."""
        start = self.starts[number]
        stop = min(start + self.starts.step, self.end)
        if begin is not None:
            text = read_from(file, begin.offset, stop)
            return self._reader(file, options, text, begin, stop)
        before = start - 1  # if it is a line end, a row begins at the start
        text, behind = cut_pieces(read_from(file, before, stop), stop - before)
        place, text = find_row_begin(text, self.header.dialect, self.header.width)
        guess = Position(before + place, 0)
        return self._reader(file, options, chain(text, behind), guess, stop)

    def _reader(
        self,
        file: InputReader,
        options: ScoreOptions,
        text: Iterator[bytes],
        begin: Position,
        stop: int,
    ) -> CsvReader:
        return CsvReader(
            self.header,
            to_utf8(text, "utf-8", position=begin.offset),
            begin,
            stop=stop,
            encoding=options.encoding,
            hold=InputMemory(file.reserve, options).hold,
            may_reject=options.max_rejected > 0,
        )
