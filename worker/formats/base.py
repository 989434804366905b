"""What all formats share: the protocols of table readers and writers, and rejected rows."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import pyarrow as pa

from worker.interfaces import Format

# Of so few rows many columns are worked on in one step: each step costs more than their cells.
FEW_ROWS = 64


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row of the input that gets no prediction: its position, the reason, and its text."""

    line: int
    reason: str
    row: str


CellForm = Literal["text", "json", "typed"]
"""What a reader's columns hold: verbatim text, verbatim JSON text, or values with a type."""


class TableWriter(Protocol):
    """Writes tables of one schema, in order, to a file; equal tables give equal bytes."""

    def write(self, table: pa.Table) -> bytes:
        """Add the table's rows, and return the bytes of the file that are ready.

        It is called at least once; the table may have no rows.
        """
        ...

    def finish(self) -> bytes:
        """Return the remaining bytes of the file."""
        ...


class TableReader(Protocol):
    """Reads a file as tables, a batch of rows at a time."""

    format: ClassVar[Format]
    position_unit: ClassVar[str]
    """What `RejectedRow.line` counts in this format, from 1: `line` or `row`."""
    cells: ClassVar[CellForm]
    names: tuple[str, ...]
    """The names of all columns in the file."""

    @property
    def index_names(self) -> Collection[str]:
        """The columns that are an index, and so no columns by position."""
        ...

    def null_count(self, name: str, /) -> int | None:
        """Return how many cells of a column are null; None if only reading the file tells."""
        ...

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Read the columns in tables of `rows` well-formed rows; at least one table.

        The last table may be shorter. So may a table that comes with so many malformed rows that
        no more of them may be held in memory.
        """
        ...

    def malformed_count(self) -> int:
        """Count the malformed rows from the beginning to the end of the latest batch."""
        ...

    def rejected_rows(self, bad: Mapping[int, str]) -> Iterator[RejectedRow]:
        """Return the malformed and the bad rows of the latest batch, in the order of the file.

        `bad` has the reason for each bad row, by its row number in the batch. Malformed rows
        between the previous batch and this one belong to this one. Call it once a batch.
        """
        ...

    def writer(self) -> TableWriter:
        """Return a writer of the same format, with the same dialect and codec."""
        ...


def one_array(columns: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    """Put columns of one type behind each other."""
    arrays: list[pa.Array] = []
    for column in columns:
        arrays += column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return pa.concat_arrays(arrays)


def rebatch(batches: Iterable[pa.RecordBatch], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """Cut batches of any size into tables of exactly `rows` rows; the last one has the rest.

    The cuts depend on the row count alone, so predictions do not depend on how a file was read.
    There is at least one table. An empty table never follows a full one.
    """
    waiting: list[pa.RecordBatch] = []
    length = 0
    for batch in batches:
        waiting.append(batch)
        length += batch.num_rows
        if length > rows:
            table = pa.Table.from_batches(waiting, schema)
            whole = (length - 1) // rows * rows
            yield from (table.slice(start, rows) for start in range(0, whole, rows))
            waiting = table.slice(whole).to_batches()
            length -= whole
    yield pa.Table.from_batches(waiting, schema)
