"""What every format shares: a source of batches, a sink for them, and rejected rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import pyarrow as pa

from worker.interfaces import Format

SHOWN_REJECTS = 10  # of a file that fails for them


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that was not predicted: where it stands in the file, why, and as it came."""

    line: int
    reason: str
    row: str


Cells = Literal["text", "json", "typed"]


class Sink(Protocol):
    """Tables of one schema, in order, to a file; the same tables give the same pieces."""

    def write(self, table: pa.Table) -> bytes:
        """Add the rows of a table, and hand over what is ready of the file.

        There is at least one table, which may have no rows.
        """
        ...

    def finish(self) -> bytes:
        """The rest of the file."""
        ...


class Source(Protocol):
    """A table that is read in batches."""

    format: ClassVar[Format]
    place: ClassVar[str]
    """What a reject's `line` counts in this format: lines or rows, from 1."""
    cells: ClassVar[Cells]
    """What columns hold: text as it came, JSON text as it came, or values with their types."""
    names: tuple[str, ...]

    def batches(self, columns: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Tables of `rows` well-formed rows, the last one shorter; at least one table.

        A table is shorter too where the malformed rows beside it are as many as may be held.
        """
        ...

    def malformed(self) -> int:
        """How many rows were left out so far: up to the end of the batch last yielded."""
        ...

    def rejects(self, bad: Mapping[int, str]) -> Iterator[Reject]:
        """What was set aside since the batch before: left out, or bad in the batch last yielded.

        `bad` says why, by row number in that batch. In file order; asked for once a batch.
        """
        ...

    def sink(self) -> Sink:
        """A writer of the same format, dialect and codec."""
        ...


def rebatch(batches: Iterable[pa.RecordBatch], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """Cut batches of any size into tables of exactly `rows` rows; the last one has the rest.

    The cuts depend on the row count alone, so that predictions do not depend on how a file was
    read. There is always at least one table, and whether it is the last is known when it comes.
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
