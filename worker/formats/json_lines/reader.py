"""JSON Lines in: every value as the JSON text it is, every line that is no object set aside."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import ClassVar

import pyarrow as pa

from worker.errors import Unparsable
from worker.formats.base import Cells, Reject
from worker.formats.json_lines.cells import json_field
from worker.formats.json_lines.rows import Line, Malformed, Row, as_column, numbered, parse
from worker.formats.json_lines.writer import JsonLinesSink
from worker.interfaces import Format

_HEAD_ROWS = 10_000
_PART_ROWS = 200


class JsonLinesSource:
    """JSON objects, one a line; the keys of the first 10,000 are the columns.

    With `keeps_all` a row with a key that comes up later is malformed, as the key would be lost.
    `hold` is told how many bytes the lines in hand have, and raises where they are too many.
    """

    format: ClassVar[Format] = "jsonl"
    place: ClassVar[str] = "line"
    cells: ClassVar[Cells] = "json"

    def __init__(
        self, text: Iterable[bytes], *, keeps_all: bool, hold: Callable[[int], None]
    ) -> None:
        lines = numbered(text)
        head = list(_held(islice(lines, _HEAD_ROWS), hold))
        self.names = _keys(head)
        self._known = frozenset(self.names) if keeps_all else None
        self._lines = chain(head, lines)
        self._hold = hold
        self._batch = _Batch(())
        self._left_out = 0

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Tables of `rows` rows, every cell JSON text, or null where the key is absent.

        A table has fewer where as many lines are malformed: what is held does not grow with them.
        """
        batch = _Batch(columns)
        for line in self._lines:
            try:
                batch.add(line, self._row(line.text))
            except Malformed as error:
                batch.set_aside(line, str(error))
            self._hold(batch.size)
            if rows in {len(batch.lines), len(batch.malformed)}:
                yield self._handed(batch)
                batch = _Batch(columns)
        if batch.lines or batch.malformed:
            yield self._handed(batch)

    def _row(self, line: bytes) -> Row:
        row = parse(line)
        if self._known is not None and (unknown := row.keys() - self._known):
            raise Malformed(
                f"the key {min(unknown)!r} comes up after the first {_HEAD_ROWS:,} rows, whose "
                "keys are the columns: WORKER_KEEP_COLUMNS=* cannot keep it"
            )
        return row

    def _handed(self, batch: "_Batch") -> pa.Table:
        self._batch = batch
        self._left_out += len(batch.malformed)
        return batch.table()

    def malformed(self) -> int:
        """How many lines are no objects, up to the end of the batch last yielded."""
        return self._left_out

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """The malformed and bad lines of the batch last yielded, as they came."""
        lines = self._batch.lines
        aside = [*self._batch.malformed, *((lines[row], reason) for row, reason in bad.items())]
        for line, reason in sorted(aside):
            yield Reject(line.number, reason, line.text.decode())

    def sink(self) -> JsonLinesSink:
        """A writer of JSON Lines."""
        return JsonLinesSink()


class _Batch:
    """Rows on their way to a table, with the lines that they came from."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.lines: list[Line] = []
        self.malformed: list[tuple[Line, str]] = []
        self.size = 0
        self._schema = pa.schema([json_field(name) for name in columns])
        self._rows: list[Row] = []
        self._parts: list[pa.RecordBatch] = []

    def add(self, line: Line, row: Row) -> None:
        self.size += len(line.text)
        self.lines.append(line)
        self._rows.append(row)
        if len(self._rows) == _PART_ROWS:  # as columns they take a fraction of the memory
            self._pack()

    def set_aside(self, line: Line, reason: str) -> None:
        self.size += len(line.text)
        self.malformed.append((line, reason))

    def table(self) -> pa.Table:
        self._pack()
        return pa.Table.from_batches(self._parts, self._schema).combine_chunks()

    def _pack(self) -> None:
        columns = [as_column(self._rows, name) for name in self._schema.names]
        self._parts.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        self._rows = []


def _keys(head: Sequence[Line]) -> tuple[str, ...]:
    """The keys of the rows, in the order in which they come up."""
    keys: dict[str, None] = {}
    malformed: list[str] = []
    for line in head:
        try:
            keys |= dict.fromkeys(parse(line.text))
        except Malformed as error:
            malformed.append(f"line {line.number}: {error}")
    if not head:
        raise Unparsable("the file is empty")
    if len(malformed) == len(head):
        raise Unparsable(f"no line is a JSON object, and every one should be; {malformed[0]}")
    return tuple(keys)


def _held(lines: Iterable[Line], hold: Callable[[int], None]) -> Iterator[Line]:
    size = 0
    for line in lines:
        size += len(line.text)
        hold(size)
        yield line
