"""Reads JSON Lines: every value as its JSON text; malformed lines are left out of the tables."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import ClassVar

import pyarrow as pa

from worker.errors import Unparsable
from worker.formats.base import CellForm, RejectedRow
from worker.formats.json_lines.cells import json_field
from worker.formats.json_lines.rows import (
    Line,
    MalformedLine,
    Row,
    number_lines,
    parse_row,
    to_column,
)
from worker.formats.json_lines.writer import JsonLinesWriter
from worker.interfaces import Format

_HEAD_ROWS = 10_000
_CHUNK_ROWS = 200


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
        self, text: Iterable[bytes], *, keeps_all: bool, hold: Callable[[int], None]
    ) -> None:
        lines = number_lines(text)
        head = list(_held(islice(lines, _HEAD_ROWS), hold))
        self._first_keys, self.names = _keys(head)
        self._required_keys: frozenset[str] | None = None
        self._allowed_keys = frozenset(self.names) if keeps_all else None
        self._lines = chain(head, lines)
        self._hold = hold
        self._latest = _Batch(())
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
        batch = _Batch(columns)
        for line in self._lines:
            try:
                batch.add(line, self._parse(line.text))
            except MalformedLine as error:
                batch.add_malformed(line, str(error))
            self._hold(batch.text_bytes)
            if rows in {len(batch.lines), len(batch.malformed)}:
                yield self._finish(batch)
                batch = _Batch(columns)
        if batch.lines or batch.malformed:
            yield self._finish(batch)

    def _parse(self, text: bytes) -> Row:
        row = parse_row(text)
        if self._required_keys is not None and row.keys() != self._required_keys:
            differing = min(row.keys() ^ self._required_keys)
            raise MalformedLine(
                f"the key {differing!r} is {'only' if differing in row else 'not'} in this row and "
                f"{'not ' * (differing in row)}in the first one, and the model takes columns by "
                "position"
            )
        if self._allowed_keys is not None and (unknown := row.keys() - self._allowed_keys):
            raise MalformedLine(
                f"the key {min(unknown)!r} comes up after the first {_HEAD_ROWS:,} rows, whose "
                "keys are the columns: WORKER_KEEP_COLUMNS=* cannot keep it"
            )
        return row

    def _finish(self, batch: "_Batch") -> pa.Table:
        self._latest = batch
        self._malformed_count += len(batch.malformed)
        return batch.to_table()

    def malformed_count(self) -> int:
        """Count the malformed lines from the beginning to the end of the latest batch."""
        return self._malformed_count

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed and the bad lines of the latest batch, verbatim."""
        lines = self._latest.lines
        rejected = [
            *self._latest.malformed,
            *((lines[row], reason) for row, reason in bad.items()),
        ]
        for line, reason in sorted(rejected):
            yield RejectedRow(line.number, reason, line.text.decode())

    def writer(self) -> JsonLinesWriter:
        """Return a writer of JSON Lines."""
        return JsonLinesWriter()


class _Batch:
    """Collects rows for a table, and keeps the lines that they came from."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.lines: list[Line] = []
        self.malformed: list[tuple[Line, str]] = []
        self.text_bytes = 0
        self._schema = pa.schema([json_field(name) for name in columns])
        self._rows: list[Row] = []
        self._chunks: list[pa.RecordBatch] = []

    def add(self, line: Line, row: Row) -> None:
        self.text_bytes += len(line.text)
        self.lines.append(line)
        self._rows.append(row)
        if len(self._rows) == _CHUNK_ROWS:  # columns take a fraction of the memory of rows
            self._rows_to_chunk()

    def add_malformed(self, line: Line, reason: str) -> None:
        self.text_bytes += len(line.text)
        self.malformed.append((line, reason))

    def to_table(self) -> pa.Table:
        self._rows_to_chunk()
        return pa.Table.from_batches(self._chunks, self._schema).combine_chunks()

    def _rows_to_chunk(self) -> None:
        columns = [to_column(self._rows, name) for name in self._schema.names]
        self._chunks.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._rows = []


def _keys(head: Sequence[Line]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the keys of the first row, and of the first rows in the order of their appearance."""
    first: tuple[str, ...] | None = None
    keys: dict[str, None] = {}
    malformed: list[str] = []
    for line in head:
        try:
            row = parse_row(line.text)
        except MalformedLine as error:
            malformed.append(f"line {line.number}: {error}")
            continue
        keys |= dict.fromkeys(row)
        first = tuple(row) if first is None else first
    if not head:
        raise Unparsable("the file is empty")
    if first is None:
        raise Unparsable(f"no line is a JSON object, and every one should be; {malformed[0]}")
    return first, tuple(keys)


def _held(lines: Iterable[Line], hold: Callable[[int], None]) -> Iterator[Line]:
    """Return the lines; `hold` is called with the bytes of all lines so far."""
    text_bytes = 0
    for line in lines:
        text_bytes += len(line.text)
        hold(text_bytes)
        yield line
