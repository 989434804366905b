"""The parts of a compressed text: it is unpacked once, in order, and cut while it is unpacked.

The cuts are those of the plain text. Whoever unpacks it sees all of it, so where a row begins is
known for certain, and a part is a text of whole rows. Only the process that cuts it reads the file;
each other process gets the text of its part as the first bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from worker.errors import Unparsable
from worker.formats.compression import decompress
from worker.formats.csv.parts import CsvParts
from worker.formats.json_lines.parts import JsonLinesParts
from worker.formats.parts import PartReader
from worker.formats.text import resize_pieces
from worker.interfaces import PACKED_BYTES, Compression, InputReader, Position, ScoreOptions

ENDLESS = 1 << 62  # the size of a text that is not known before it has been read
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PackedParts:
    """Implements worker.formats.parts.Parts for the text in a compressed file."""

    text: CsvParts | JsonLinesParts
    """The parts of the text, were it plain and without an end."""
    compression: Compression

    @property
    def begin(self) -> Position:
        """Where the first row begins."""
        return self.text.begin

    @property
    def starts(self) -> tuple[int]:
        """Where the first part starts; the others are not known yet."""
        return (self.begin.offset,)

    @property
    def end(self) -> None:
        """The end of the text, which is not known yet."""
        return

    @property
    def cut_bytes(self) -> int:
        """How long a part is, but for the row at its end."""
        return self.text.starts.step

    def has_rows(self, file: InputReader) -> bool:
        """Return whether any text stands where the first row begins."""
        return any(self._unpack(file))

    def open(self, file: InputReader, options: ScoreOptions) -> PartReader:
        """Return a reader of all rows."""
        return self._open(file, options, ENDLESS)

    def open_first(self, file: InputReader, options: ScoreOptions) -> PartReader:
        """Return a reader of the first part's rows, from the compressed file."""
        return self._open(file, options, self._stop_behind(self.begin.offset))

    def open_part(
        self,
        file: InputReader,
        options: ScoreOptions,
        number: int,  # noqa: ARG002 - the text is that of the part
        begin: Position | None,
    ) -> PartReader:
        """Return a reader of a part's rows; `file.first` is their text."""
        assert begin is not None, "where a part of a compressed file begins is no guess"
        text = file.first
        pieces = (text[start : start + _PIECE_BYTES] for start in range(0, len(text), _PIECE_BYTES))
        return self.text.reader(file, options, pieces, begin, begin.offset + len(text))

    def cut(self, file: InputReader) -> Iterator[bytes]:
        """Yield the text of one part after the other.

        Raises Unparsable if the file is damaged. A part with a row that is too long ends within
        that row: the reader of the part says on which line.
        """
        text, start = _CutText(self._unpack(file)), self.begin.offset
        while size := self._size_of_part(text, self._stop_behind(start) - start):
            yield text.take(size)
            start += size

    def _size_of_part(self, text: "_CutText", size: int) -> int:
        if text.too_long is not None:
            raise text.too_long
        try:
            return self.text.end_of_rows(text.read(), size)
        except Unparsable as error:
            if text.is_damaged:
                raise
            text.too_long = error
            return text.size

    def _open(self, file: InputReader, options: ScoreOptions, stop: int) -> PartReader:
        return self.text.reader(file, options, self._unpack(file), self.begin, stop)

    def _stop_behind(self, start: int) -> int:
        return self.text.starts[self.text.number_at(start) + 1]

    def _unpack(self, file: InputReader) -> Iterator[bytes]:
        """Yield the text from the first row on."""
        text = decompress(read_packed(file), self.compression)
        skip = self.begin.offset
        for piece in resize_pieces(text, _PIECE_BYTES):
            if len(piece) > skip:
                yield piece[skip:]
            skip -= min(skip, len(piece))


def read_packed(file: InputReader) -> Iterator[bytes]:
    """Yield the bytes of a compressed file, by ranges that can be downloaded ahead."""
    for start in range(0, file.size, PACKED_BYTES):
        # Read to its end at once: another job's range may be read before the next one is.
        yield b"".join(file.read([(start, min(start + PACKED_BYTES, file.size))]))


class _CutText:
    """Text of which the first bytes are taken away, once they have been looked at."""

    def __init__(self, text: Iterator[bytes]) -> None:
        self._text = text
        self._pieces: list[bytes] = []  # that were read and not taken
        self.too_long: Unparsable | None = None
        """The error of a row that does not end."""
        self.is_damaged = False
        """Whether no more of the text can be read."""

    @property
    def size(self) -> int:
        """The bytes that were read and not taken."""
        return sum(map(len, self._pieces))

    def read(self) -> Iterator[bytes]:
        """Yield the text from behind what was taken."""
        yield from list(self._pieces)
        self.is_damaged = True
        for piece in self._text:
            self.is_damaged = False
            self._pieces.append(piece)
            yield piece
            self.is_damaged = True
        self.is_damaged = False

    def take(self, size: int) -> bytes:
        """Return the first bytes of what was read."""
        pieces, self._pieces = self._pieces, []
        taken: list[bytes] = []
        for piece in pieces:
            taken.append(piece[:size])
            if len(piece) > size:
                self._pieces.append(piece[size:])
            size -= len(taken[-1])
        return b"".join(taken)
