"""Reads JSON Lines: every value as its JSON text; malformed lines are left out of the tables."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import ClassVar, Self

import pyarrow as pa

from worker.formats.base import CellForm, RejectedRow
from worker.formats.json_lines.batches import Batch
from worker.formats.json_lines.cells import json_field
from worker.formats.json_lines.keys import FileKeys, read_head, refuse_others, require
from worker.formats.json_lines.lines import BLOCK_BYTES, LineBlock, LineSplitter
from worker.formats.json_lines.parsed_blocks import BlockParser
from worker.formats.json_lines.writer import JsonLinesWriter
from worker.interfaces import Format, Position


class JsonLinesReader:
    """Reads JSON objects, one a line, from blocks of lines that the splitter cuts.

    `begin` is where the first line begins in the file. With `keeps_all` a row with a key that is no
    column is malformed, as its value would be lost. `hold` is called with the bytes of text in
    memory, and raises if they are too many.
    """

    format: ClassVar[Format] = "jsonl"
    position_unit: ClassVar[str] = "line"
    cells: ClassVar[CellForm] = "json"
    index_names: Collection[str] = ()

    def __init__(
        self,
        keys: FileKeys,
        blocks: Iterable[LineBlock],
        splitter: LineSplitter,
        begin: Position,
        *,
        keeps_all: bool,
        hold: Callable[[int], None],
    ) -> None:
        self.keys = keys
        self.begin = begin
        self.names = keys.all
        self._blocks = blocks
        self._splitter = splitter
        self._hold = hold
        self._parser = BlockParser()
        self._required_keys: frozenset[str] | None = None
        self._allowed_keys = frozenset(keys.all) if keeps_all else None
        self._latest = Batch()
        self._malformed_count = 0

    @classmethod
    def open(
        cls,
        text: Iterable[bytes],
        *,
        keeps_all: bool,
        hold: Callable[[int], None],
        block_bytes: int = BLOCK_BYTES,
    ) -> Self:
        """Return a reader of a whole file; the keys of the first 10,000 rows are its columns."""
        begin = Position(0, 1)
        splitter = LineSplitter(begin.line, block_bytes)
        blocks = splitter.split(text)
        head, behind = read_head(blocks, hold)
        return cls(
            FileKeys.of(head),
            chain(head, behind, blocks),
            splitter,
            begin,
            keeps_all=keeps_all,
            hold=hold,
        )

    @property
    def end(self) -> Position:
        """Where the lines that were read so far end."""
        return Position(self.begin.offset + self._splitter.offset, self._splitter.number)

    def require_first_keys(self) -> None:
        """Make a row malformed if its keys are not those of the first row, in whatever order."""
        self.names = self.keys.first
        self._required_keys = frozenset(self.names)

    def null_count(self, _: str, /) -> int | None:
        """Return None: only reading the file tells."""
        return None

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Read the columns in tables of `rows` rows; a cell is JSON text, or null without the key.

        A table has fewer rows if it comes with `rows` malformed lines: they are held in memory too.
        """
        schema = pa.schema([json_field(name) for name in columns])
        has_table = False
        batch = Batch()
        for block in self._blocks:
            parsed = self._parser.parse(block, self._check_keys)
            table = parsed.to_table(schema)
            begin = 0
            while begin < len(block):
                begin = batch.add(parsed, table, begin, rows)
                self._hold(batch.text_bytes)
                if rows in {batch.row_count, batch.malformed_count}:
                    yield self._finish(batch, schema)
                    has_table = True
                    batch = Batch()
        if batch.row_count or batch.malformed_count or not has_table:
            yield self._finish(batch, schema)

    def _check_keys(self, keys: AbstractSet[str]) -> None:
        if self._required_keys is not None:
            require(keys, self._required_keys)
        if self._allowed_keys is not None:
            refuse_others(keys, self._allowed_keys)

    def _finish(self, batch: Batch, schema: pa.Schema) -> pa.Table:
        self._latest = batch
        self._malformed_count += batch.malformed_count
        return batch.to_table(schema)

    def malformed_count(self) -> int:
        """Count the malformed lines from the beginning to the end of the latest batch."""
        return self._malformed_count

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed and the bad lines of the latest batch, verbatim."""
        return self._latest.rejected_rows(bad)

    def writer(self) -> JsonLinesWriter:
        """Return a writer of JSON Lines."""
        return JsonLinesWriter()
