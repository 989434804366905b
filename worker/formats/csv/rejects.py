"""Finds the rejected rows of a CSV, and their line numbers, in its text.

Arrow counts rows, not lines. So the text of a batch is kept until the next batch, and searched
only if rows of the batch are rejected.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from worker.formats.base import RejectedRow
from worker.formats.csv.blocks import Block, RawRow
from worker.formats.csv.dialect import count_line_ends
from worker.interfaces import MAX_SHOWN_ROWS


class RejectedRows:
    """Tracks which rows of which blocks are in the latest batch, and which are malformed.

    Without `may_reject` the file fails, so only the first malformed rows are kept, to be shown.
    `odd_reason` says of a row why it is no data, which explains more than its count of cells.
    """

    def __init__(self, *, may_reject: bool, odd_reason: Callable[[RawRow], str | None]) -> None:
        self._may_reject = may_reject
        self._odd_reason = odd_reason
        self._blocks: deque[_BlockRows] = deque()
        # Counts over all blocks so far.
        self._well_formed = self._malformed = 0
        # The latest batch: from which well-formed row of the file to which.
        self._begin = self._end = 0
        # Malformed rows in blocks that are no longer kept, or never were.
        self._malformed_dropped = 0

    def add_block(self, block: Block, rows: int, malformed: Mapping[int, str]) -> None:
        """Add the next block: its count of well-formed rows, and why others are malformed.

        Adding a block means that the caller has finished with the previous batch.
        """
        while self._blocks and self._blocks[0].is_finished:
            self._malformed_dropped += len(self._blocks.popleft().malformed)
        if not self._may_reject and self._malformed >= MAX_SHOWN_ROWS:
            self._malformed_dropped += len(malformed)
        else:
            self._blocks.append(_BlockRows(block, self._well_formed, rows, malformed))
        self._malformed += len(malformed)
        self._well_formed += rows

    def end_batch(self, rows: int) -> None:
        """End a batch of the next `rows` well-formed rows, and the malformed rows around them."""
        self._begin, self._end = self._end, self._end + rows
        for block in self._blocks:
            block.end_batch(self._end)

    @property
    def text_bytes(self) -> int:
        """The size of the text that is kept."""
        return sum(block.text_bytes for block in self._blocks)

    @property
    def malformed_count(self) -> int:
        """The count of malformed rows from the beginning to the end of the latest batch."""
        return self._malformed_dropped + sum(block.malformed_count for block in self._blocks)

    def of_batch(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed rows of the latest batch and its bad rows, in the file's order."""
        reasons = {self._begin + row: reason for row, reason in bad.items()}
        for block in self._blocks:
            for line, row, reason in block.rejected(reasons):
                yield RejectedRow(line, self._odd_reason(row) or reason, row.text.decode())


class _BlockRows:
    """The rows of one block.

    A row's number counts all rows of the block from 0. A row's index counts the well-formed rows
    of the whole file from 0.
    """

    def __init__(self, block: Block, begin: int, rows: int, malformed: Mapping[int, str]) -> None:
        self.begin, self.end = begin, begin + rows  # indexes
        self.malformed = malformed
        self._malformed_numbers = sorted(malformed)
        # How many well-formed rows stand before each malformed one.
        self._well_formed_before = [
            number - position for position, number in enumerate(self._malformed_numbers)
        ]
        self._size = rows + len(malformed)
        # The latest batch: from which row number to which.
        self._batch_begin = self._batch_end = 0
        self._text = block.text
        # How far the text is searched.
        self._rows = block.rows()
        self._next_number = 0
        self._line, self._offset = block.line, 0

    @property
    def text_bytes(self) -> int:
        """The size of the block."""
        return len(self._text)

    def end_batch(self, end: int) -> None:
        """End a batch before the row with the index `end`."""
        self._batch_begin, self._batch_end = self._batch_end, self._number_of(end)

    @property
    def is_finished(self) -> bool:
        """Whether the batches so far contain all rows of the block."""
        return self._batch_end == self._size

    @property
    def malformed_count(self) -> int:
        """The count of malformed rows of the block to the end of the latest batch."""
        return bisect_left(self._malformed_numbers, self._batch_end)

    def rejected(self, bad: Mapping[int, str]) -> Iterator[tuple[int, RawRow, str]]:
        """Return the malformed rows of the latest batch, and the bad rows, given by index.

        Each comes with its line and the reason.
        """
        begin, end = (
            bisect_left(self._malformed_numbers, number)
            for number in (self._batch_begin, self._batch_end)
        )
        reasons = {number: self.malformed[number] for number in self._malformed_numbers[begin:end]}
        reasons |= {
            self._number_of(row): reason
            for row, reason in bad.items()
            if self.begin <= row < self.end
        }
        for number in sorted(reasons):
            row = next(islice(self._rows, number - self._next_number, None))
            self._next_number = number + 1
            self._line += count_line_ends(self._text, self._offset, row.offset)
            self._offset = row.offset
            yield self._line, row, reasons[number]

    def _number_of(self, index: int) -> int:
        """Return the number of the row with an index, or the nearest end of the block."""
        if index < self.begin:
            return 0
        if index >= self.end:
            return self._size
        position = index - self.begin
        return position + bisect_right(self._well_formed_before, position)
