"""The rows of a CSV that are set aside, found again in its text a batch at a time."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice

from worker.formats.base import SHOWN_REJECTS, Reject
from worker.formats.csv.blocks import Block
from worker.formats.csv.dialect import line_ends


class Aside:
    """Knows which rows of which blocks became a batch, and which were left out of it.

    Where none `may_be` left out, the file fails, and only the first are told.
    """

    def __init__(self, *, may_be: bool) -> None:
        self._may_be = may_be
        self._blocks: deque[_Rows] = deque()
        self._read = self._malformed_read = 0  # rows of all blocks so far, well-formed or not
        self._begin = self._end = 0  # well-formed rows of the batch last yielded
        self._passed = 0  # malformed rows of blocks that are not kept

    def read(self, block: Block, rows: int, malformed: Mapping[int, str]) -> None:
        """So many rows of a block are well-formed; why others are not, by row number."""
        # Who reads on is done with the batch.
        while self._blocks and self._blocks[0].is_told:
            self._passed += len(self._blocks.popleft().malformed)
        if not self._may_be and self._malformed_read >= SHOWN_REJECTS:
            self._passed += len(malformed)
        else:
            self._blocks.append(_Rows(block, self._read, rows, malformed))
        self._malformed_read += len(malformed)
        self._read += rows

    def yielded(self, rows: int) -> None:
        """The next well-formed rows are a batch, with the malformed ones before and after them."""
        self._begin, self._end = self._end, self._end + rows
        for block in self._blocks:
            block.advance(self._end)

    @property
    def text_bytes(self) -> int:
        """Size of the text that is kept for it."""
        return sum(block.text_bytes for block in self._blocks)

    @property
    def malformed(self) -> int:
        """How many malformed rows there are up to the end of the batch."""
        return self._passed + sum(block.malformed_so_far for block in self._blocks)

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """The malformed rows of the batch, and those that are bad, in the order of the file."""
        reasons = {self._begin + row: reason for row, reason in bad.items()}
        for block in self._blocks:
            yield from block.rejects(reasons)


class _Rows:
    """The rows of one block: numbered from 0 with the malformed ones, counted without them."""

    def __init__(self, block: Block, begin: int, good: int, malformed: Mapping[int, str]) -> None:
        self.begin, self.end = begin, begin + good  # as well-formed rows are counted in the file
        self.malformed = malformed
        self._numbers = sorted(malformed)
        self._good_before = [number - place for place, number in enumerate(self._numbers)]
        self._size = good + len(malformed)
        self._told = self._due = 0  # by number: what earlier batches and this one take of it
        self._text = block.text
        self._rows = block.rows()
        self._next = 0
        self._line, self._counted = block.line, 0

    @property
    def text_bytes(self) -> int:
        """Size of the block."""
        return len(self._text)

    def advance(self, end: int) -> None:
        """A batch ends before that well-formed row of the file."""
        self._told, self._due = self._due, self._number(end)

    @property
    def is_told(self) -> bool:
        """Whether the batch, or those before it, took all of the rows."""
        return self._due == self._size

    @property
    def malformed_so_far(self) -> int:
        """How many malformed rows there are up to the end of the batch."""
        return bisect_left(self._numbers, self._due)

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """Those of the batch that are malformed, or bad by their count in the file."""
        told, due = (bisect_left(self._numbers, number) for number in (self._told, self._due))
        reasons = {number: self.malformed[number] for number in self._numbers[told:due]}
        reasons |= {
            self._number(row): why for row, why in bad.items() if self.begin <= row < self.end
        }
        for number in sorted(reasons):
            start, row = next(islice(self._rows, number - self._next, None))
            self._next = number + 1
            self._line += line_ends(self._text, self._counted, start)
            self._counted = start
            yield Reject(self._line, reasons[number], row.decode())

    def _number(self, row: int) -> int:
        """The number of a well-formed row of the file, or the nearest end of the block."""
        if row < self.begin:
            return 0
        if row >= self.end:
            return self._size
        return row - self.begin + bisect_right(self._good_before, row - self.begin)
