"""Guesses where a row begins in the middle of a CSV."""

from collections.abc import Iterator
from functools import cached_property
from itertools import chain

from worker.errors import Unparsable
from worker.formats.csv.blocks import Block, RawRow
from worker.formats.csv.dialect import Dialect

# In so much text a guess is made, if a row ends in it. Rows behind that end show which guess fits.
WINDOW_BYTES = 2**15


def find_row_begin(
    pieces: Iterator[bytes], dialect: Dialect, width: int
) -> tuple[int, Iterator[bytes]]:
    """Return where a row probably begins, at the second byte or later, and the text from there on.

    The first byte is what stands before the place where a row is looked for. Raises Unparsable if
    no row begins in the text.
    """
    text, wanted = b"", WINDOW_BYTES
    for piece in pieces:
        text += piece
        if len(text) < wanted:
            continue
        if (begin := guess_row_begin(text, dialect, width)) is not None:
            return begin, chain([text[begin:]], pieces)
        wanted = 2 * len(text)
    begin = guess_row_begin(text, dialect, width)
    if begin is None:
        raise Unparsable("no row begins in this part of the file")
    return begin, iter([text[begin:]])


def guess_row_begin(text: bytes, dialect: Dialect, width: int) -> int | None:
    """Return where the first row behind the first byte probably begins; None: no row ends there.

    The place is outside quotes, unless the rows behind it fit better if it is inside.
    """
    outside = _Guess(text, 0 if text[:1] in (b"\n", b"\r") else 1, dialect, width)
    quote = (dialect.quote or "").encode()
    if not quote or quote not in text or outside.is_proven:
        return outside.begin
    # With a quote for the first byte the text behind it is inside quotes.
    inside = _Guess(quote + text[1:], 0, dialect, width)
    if inside.begin is None or inside.has_wrong_quote:
        return outside.begin
    if outside.share_of_good_rows >= inside.share_of_good_rows:
        return outside.begin
    return inside.begin + 1 - len(quote)


class _Guess:
    """The first row behind a row, of which only the end is in the text, from `place` on."""

    def __init__(self, text: bytes, place: int, dialect: Dialect, width: int) -> None:
        row = dialect.patterns.row.match(text, place)
        assert row is not None
        # A CR at the very end may be half of a line end.
        is_whole = row.end() < len(text) or text.endswith(b"\n")
        self.begin = row.end() if is_whole else None
        self.has_wrong_quote = row["wrong"] is not None
        self._sample = text[row.end() : row.end() + WINDOW_BYTES]
        self._dialect = dialect
        self._width = width

    @cached_property
    def share_of_good_rows(self) -> float:
        """The share of the rows behind it that are well-formed, and have the right width."""
        rows = Block(self._sample, 0, self._dialect).rows()
        whole = [row for row in rows if row.offset + len(row.text) < len(self._sample)]
        return sum(map(self._is_good, whole)) / len(whole) if whole else 0.0

    @property
    def is_proven(self) -> bool:
        """Whether all rows are good, and quotes among them show where quotes begin."""
        quote = (self._dialect.quote or "").encode()
        return quote in self._sample and self.share_of_good_rows == 1

    def _is_good(self, row: RawRow) -> bool:
        if row.wrong_quote is not None:
            return False
        outside = self._dialect.patterns.quoted.sub(b"", row.text)
        return outside.count(self._dialect.delimiter.encode()) == self._width - 1
