"""The parts of a JSON Lines file: its bytes, cut at fixed offsets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from worker.formats.json_lines.keys import FileKeys
from worker.formats.json_lines.lines import LineSplitter, end_of_lines, lines_from, skip_line
from worker.formats.json_lines.reader import JsonLinesReader
from worker.formats.memory import InputMemory
from worker.formats.parts import TextParts, cut_at_bytes
from worker.formats.text import to_utf8
from worker.interfaces import InputReader, Position, ScoreOptions


@dataclass(frozen=True, slots=True)
class JsonLinesParts(TextParts[JsonLinesReader]):
    """Implements worker.formats.parts.Parts for lines that are stored as UTF-8."""

    keys: FileKeys

    @classmethod
    def of(cls, keys: FileKeys, begin: Position, size: int, part_bytes: int) -> Self:
        """Return the parts of a file of that size, of `part_bytes` each if it is not wide."""
        return cls(begin, cut_at_bytes(size, part_bytes, len(keys.all)), size, keys)

    def find_begin(self, text: Iterator[bytes], size: int) -> tuple[int, Iterator[bytes]]:
        """Return where the first line begins; every line end is one for certain."""
        return skip_line(text, size)

    def end_of_rows(self, text: Iterator[bytes], size: int) -> int:
        """Return where the last line ends of those that begin in the first `size` bytes."""
        return end_of_lines(text, size)

    def reader(
        self,
        file: InputReader,
        options: ScoreOptions,
        text: Iterator[bytes],
        begin: Position,
        stop: int,
    ) -> JsonLinesReader:
        """Return a reader of the lines of a text."""
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
