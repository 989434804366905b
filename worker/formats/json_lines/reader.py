"""Reads JSON Lines: every value as its JSON text; malformed lines are left out of the tables."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import ClassVar

import pyarrow as pa

from worker.errors import Unparsable
from worker.formats.base import CellForm, RejectedRow
from worker.formats.json_lines.batches import Batch
from worker.formats.json_lines.cells import json_field
from worker.formats.json_lines.lines import BLOCK_BYTES, LineBlock, split_blocks
from worker.formats.json_lines.parsed_blocks import BlockParser
from worker.formats.json_lines.rows import MalformedLine
from worker.formats.json_lines.writer import JsonLinesWriter
from worker.interfaces import Format

_HEAD_ROWS = 10_000


class JsonLinesReader:
    """Reads JSON objects, one a line; the keys of the first 10,000 rows are the columns.

    With `keeps_all` a later row with a new key is malformed, as its value would be lost. `hold` is
    called with the bytes of text in memory, and raises if they are too many.
    """

    format: ClassVar[Format] = "jsonl"
    position_unit: ClassVar[str] = "line"
    cells: ClassVar[CellForm] = "json"
    index_names: Collection[str] = ()

    def __init__(
        self,
        text: Iterable[bytes],
        *,
        keeps_all: bool,
        hold: Callable[[int], None],
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._hold = hold
        self._parser = BlockParser()
        self._required_keys: frozenset[str] | None = None
        self._allowed_keys: frozenset[str] | None = None
        blocks = split_blocks(text, block_bytes)
        head, rest = _read_head(blocks, hold)
        self._first_keys, self.names = self._find_keys(head)
        if keeps_all:
            self._allowed_keys = frozenset(self.names)
        self._blocks = chain(head, rest, blocks)
        self._latest = Batch()
        self._malformed_count = 0

    def require_first_keys(self) -> None:
        """Make a row malformed if its keys are not those of the first row, in whatever order."""
        self.names = self._first_keys
        self._required_keys = frozenset(self.names)

    def null_count(self, _: str, /) -> int | None:
        """Return None: only reading the file tells."""
        return None

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Read the columns in tables of `rows` rows; a cell is JSON text, or null without the key.

        A table has fewer rows if it comes with `rows` malformed lines: they are held in memory too.
        """
        schema = pa.schema([json_field(name) for name in columns])
        batch = Batch()
        for block in self._blocks:
            parsed = self._parser.parse(block, self._check_keys)
            table = parsed.to_table(schema)
            begin = 0
            while begin < len(block):
                begin = batch.add(parsed, table, begin, rows)
                self._hold(batch.text_bytes)
                if rows in {batch.row_count, batch.malformed_count}:
                    yield self._finish(batch)
                    batch = Batch()
        if batch.row_count or batch.malformed_count:
            yield self._finish(batch)

    def _find_keys(self, head: Sequence[LineBlock]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the keys of the first row; and of all rows, in the order of their appearance."""
        first: tuple[str, ...] | None = None
        keys: dict[str, None] = {}
        malformed: list[str] = []
        for block in head:
            parsed = self._parser.parse(block, self._check_keys)
            malformed += [
                f"line {block.numbers[line]}: {why}" for line, why in parsed.malformed.items()
            ][:1]
            for found in parsed.keys_in_order():
                keys |= dict.fromkeys(found)
                first = found if first is None else first
        if not head:
            raise Unparsable("the file is empty")
        if first is None:
            raise Unparsable(f"no line is a JSON object, and every one should be; {malformed[0]}")
        return first, tuple(keys)

    def _finish(self, batch: "Batch") -> pa.Table:
        self._latest = batch
        self._malformed_count += batch.malformed_count
        return batch.to_table()

    def malformed_count(self) -> int:
        """Count the malformed lines from the beginning to the end of the latest batch."""
        return self._malformed_count

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed and the bad lines of the latest batch, verbatim."""
        return self._latest.rejected_rows(bad)

    def writer(self) -> JsonLinesWriter:
        """Return a writer of JSON Lines."""
        return JsonLinesWriter()

    def _check_keys(self, keys: AbstractSet[str]) -> None:
        if self._required_keys is not None and keys != self._required_keys:
            differing = min(keys ^ self._required_keys)
            raise MalformedLine(
                f"the key {differing!r} is {'only' if differing in keys else 'not'} in this row "
                f"and {'not ' * (differing in keys)}in the first one, and the model takes columns "
                "by position"
            )
        if self._allowed_keys is not None and (unknown := keys - self._allowed_keys):
            raise MalformedLine(
                f"the key {min(unknown)!r} comes up after the first {_HEAD_ROWS:,} rows, whose "
                "keys are the columns: WORKER_KEEP_COLUMNS=* cannot keep it"
            )


def _read_head(
    blocks: Iterator[LineBlock], hold: Callable[[int], None]
) -> tuple[list[LineBlock], list[LineBlock]]:
    """Return the first 10,000 lines, and the lines that were read behind them."""
    head: list[LineBlock] = []
    left, text_bytes = _HEAD_ROWS, 0
    for block in blocks:
        head.append(block.part(0, left))
        left -= len(head[-1])
        text_bytes += head[-1].size(0, len(head[-1]))
        hold(text_bytes)
        if not left:
            return head, [block.part(len(head[-1]), len(block))]
    return head, []
