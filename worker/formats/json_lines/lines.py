"""Cuts text into blocks of whole lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from worker.errors import Unparsable
from worker.formats.text import MAX_ROW_BYTES, resize_pieces

BLOCK_BYTES = 2**19
PADDING = b"\0" * 8  # so that eight bytes can be read from any place in a block's text
_BLANKS = b" \t\r"
_LF, _CR = b"\n\r"
_IS_BLANK = np.isin(np.arange(256), list(_BLANKS))

Places = npt.NDArray[np.intp]
"""Offsets in a block's text, or indexes of its lines."""


@dataclass(frozen=True, eq=False)
class LineBlock:
    """Lines of a file that are not blank, in one text with PADDING behind it."""

    text: bytes
    starts: Places
    ends: Places
    """Where each line ends, without its line end."""
    numbers: Places
    """Each line's number in the file, counted from 1."""

    def __len__(self) -> int:
        """Return the count of lines."""
        return len(self.starts)

    def line(self, index: int) -> bytes:
        """Return a line by its index, from 0."""
        return self.text[self.starts[index] : self.ends[index]]

    def part(self, begin: int, end: int) -> "LineBlock":
        """Return the lines from an index to another."""
        lines = slice(begin, end)
        return replace(
            self, starts=self.starts[lines], ends=self.ends[lines], numbers=self.numbers[lines]
        )

    def size(self, begin: int, end: int) -> int:
        """Return the bytes of the lines from an index to another."""
        return int(np.sum(self.ends[begin:end] - self.starts[begin:end]))

    @cached_property
    def bytes(self) -> npt.NDArray[np.uint8]:
        """The bytes of the text."""
        return np.frombuffer(self.text, np.uint8)

    @cached_property
    def words(self) -> npt.NDArray[np.uint64]:
        """The eight bytes that begin at each place of the text, as one number."""
        count = len(self.text) - len(PADDING) + 1
        return np.ndarray((count,), np.dtype("<u8"), self.text, strides=(1,))


class LineSplitter:
    """Cuts text into blocks of whole lines, of about the size asked for."""

    def __init__(self, number: int, block_bytes: int = BLOCK_BYTES) -> None:
        self.number = number
        """The number of the line behind the blocks so far."""
        self.offset = 0
        """The bytes of the blocks so far."""
        self._block_bytes = block_bytes

    def split(self, text: Iterable[bytes]) -> Iterator[LineBlock]:
        """Return the blocks of a text; raises Unparsable if a line exceeds 16 MiB."""
        rest: list[bytes] = []  # the beginning of a line
        for piece in resize_pieces(iter(text), self._block_bytes):
            end = piece.rfind(b"\n") + 1
            if end:
                yield from self._block(b"".join([*rest, piece[:end]]))
                rest = []
            rest.append(piece[end:])
            if sum(map(len, rest)) > MAX_ROW_BYTES:
                raise _too_long(self.number)
        if any(rest):
            yield from self._block(b"".join(rest))

    def _block(self, text: bytes) -> Iterator[LineBlock]:
        """Return the block of a text, unless all its lines are blank."""
        block, self.number = _find_lines(text, self.number)
        self.offset += len(text)
        if len(block):
            yield block


def skip_line(text: Iterator[bytes], limit: int) -> tuple[int, Iterator[bytes]]:
    """Return the bytes to the first line end, and the text behind it.

    If none is among the first `limit` bytes, return these, and no text.
    """
    skipped = 0
    for piece in text:
        if end := piece.find(b"\n", 0, limit - skipped) + 1:
            return skipped + end, chain([piece[end:]], text)
        skipped += len(piece)
        if skipped >= limit:
            break
    return limit, iter(())


def lines_from(text: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Yield the lines that begin in so many bytes of a text, in pieces, and read no further."""
    left = limit
    for piece in text if limit > 0 else ():
        # The last one of these lines ends at the first line end that is not before the last byte.
        if left <= len(piece) and (end := piece.find(b"\n", max(0, left - 1)) + 1):
            yield piece[:end]
            return
        yield piece
        left -= min(left, len(piece))


def end_of_lines(text: Iterable[bytes], limit: int) -> int:
    """Return where the last line ends of those that begin in so many bytes of a text.

    Raises Unparsable if that line exceeds 16 MiB for certain.
    """
    end = 0
    for piece in lines_from(text, limit):
        end += len(piece)
        if end > limit + MAX_ROW_BYTES:
            raise Unparsable(f"a line is longer than {MAX_ROW_BYTES // 2**20} MiB")
    return end


def _find_lines(text: bytes, number: int) -> tuple[LineBlock, int]:
    """Return the lines of a text, of which the first has this number; and the next number."""
    padded = text + PADDING
    data = np.frombuffer(padded, np.uint8)
    ends = np.flatnonzero(data == _LF)
    if not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.concatenate(([0], ends[:-1] + 1))
    sizes = ends - starts
    if np.any(sizes > MAX_ROW_BYTES):
        raise _too_long(number + int(np.argmax(sizes > MAX_ROW_BYTES)))
    ends = ends - ((sizes > 0) & (data[ends - 1] == _CR))
    filled = ends > starts
    for index in np.flatnonzero(filled & _IS_BLANK[data[starts]]).tolist():
        filled[index] = bool(text[starts[index] : ends[index]].strip(_BLANKS))
    numbers = number + np.flatnonzero(filled)
    return LineBlock(padded, starts[filled], ends[filled], numbers), number + len(starts)


def _too_long(number: int) -> Unparsable:
    return Unparsable(f"line {number} is longer than {MAX_ROW_BYTES // 2**20} MiB")
