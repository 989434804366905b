"""Finds where the rows of a part end, in text that begins at a row."""

import re
from collections.abc import Iterator
from itertools import chain

from worker.formats.csv.blocks import BlockSplitter
from worker.formats.csv.dialect import Dialect
from worker.formats.text import MAX_ROW_BYTES

# A CR at the very end of a text may be half of a line end.
_LINE_END = re.compile(rb"\n|\r\n|\r(?=[^\n])")


def end_of_rows(text: Iterator[bytes], dialect: Dialect, size: int) -> int:
    """Return where the last row ends of those that begin in the first `size` bytes of a text.

    No more is read of the text than that takes. Raises Unparsable if a row is too long.
    """
    quote = (dialect.quote or "").encode()
    read: list[bytes] = []
    length, before = 0, b""
    for piece in text:
        read.append(piece)
        if quote and quote in piece:
            break
        # The row that has the last of the bytes ends at the first line end from there on.
        if length + len(piece) >= size:
            window = before + piece
            start = length - len(before)
            if found := _LINE_END.search(window, max(0, size - 1 - start)):
                return start + found.end()
            if length > size + MAX_ROW_BYTES:
                break
        length += len(piece)
        before = piece[-1:]
    return _end_of_split_rows(chain(read, text), dialect, size)


def _end_of_split_rows(text: Iterator[bytes], dialect: Dialect, size: int) -> int:
    splitter = BlockSplitter(dialect, 1, limit=size)
    for _ in splitter.split(text):
        pass
    return splitter.offset
