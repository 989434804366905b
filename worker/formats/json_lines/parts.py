"""The parts of a JSON Lines file: its bytes, cut at fixed offsets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from worker.formats.json_lines.keys import FileKeys
from worker.formats.json_lines.lines import LineSplitter, lines_from, skip_line
from worker.formats.json_lines.reader import JsonLinesReader
from worker.formats.memory import InputMemory
from worker.formats.parts import cut_at_bytes, read_from
from worker.formats.text import to_utf8
from worker.interfaces import InputReader, Position, ScoreOptions


@dataclass(frozen=True, slots=True)
class JsonLinesParts:
    """Implements worker.formats.parts.Parts for lines that are stored as UTF-8."""

    keys: FileKeys
    begin: Position
    starts: range
    end: int

    @classmethod
    def of(cls, keys: FileKeys, begin: Position, size: int, part_bytes: int) -> Self:
        """Return the parts of a file of that size, of `part_bytes` each if it is not wide."""
        return cls(keys, begin, cut_at_bytes(size, part_bytes, len(keys.all)), size)

    def open(self, file: InputReader, options: ScoreOptions) -> JsonLinesReader:
        """Return a reader of all rows."""
        text = read_from(file, self.begin.offset, self.end)
        return self._reader(file, options, text, self.begin, self.end)

    def open_part(
        self, file: InputReader, options: ScoreOptions, number: int, begin: Position | None
    ) -> JsonLinesReader:
        """Return a reader of the lines that begin in a part; every line end is one for certain."""
        start = self.starts[number]
        stop = min(start + self.starts.step, self.end)
        if begin is not None:
            return self._reader(file, options, read_from(file, begin.offset, stop), begin, stop)
        before = start - 1  # if it is a line end, a line begins at the start
        skipped, text = skip_line(read_from(file, before, stop), stop - before)
        return self._reader(file, options, text, Position(before + skipped, 0), stop)

    def _reader(
        self,
        file: InputReader,
        options: ScoreOptions,
        text: Iterator[bytes],
        begin: Position,
        stop: int,
    ) -> JsonLinesReader:
        lines = lines_from(text, stop - begin.offset)
        splitter = LineSplitter(begin.line)
        return JsonLinesReader(
            self.keys,
            splitter.split(to_utf8(lines, "utf-8", position=begin.offset)),
            splitter,
            begin,
            keeps_all=options.keep_columns == ("*",),
            hold=InputMemory(file.reserve, options).hold,
        )
