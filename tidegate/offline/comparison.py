"""Compares two outputs of the same inputs, row by row: what would change with another model."""

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tidegate.offline.files import FileReader
from worker.errors import TidegateError
from worker.formats import open_reader
from worker.interfaces import ScoreOptions
from worker.scoring.batches import BATCH_ROWS

WORST_ROWS = 10
THRESHOLD = 0.5  # of an activation: by it one of two classes is chosen
Floats = npt.NDArray[np.float64]
Cells = list[Any]


class NotComparable(TidegateError):
    """Two outputs have no rows, or no columns, in common."""


@dataclass(frozen=True, slots=True)
class Output:
    """An output as it was read: the names and cells of its kept and its prediction columns."""

    kept: Sequence[Cells]
    predicted: dict[str, Cells]

    @classmethod
    def read(cls, path: Path, options: ScoreOptions, input_columns: int) -> "Output":
        """Read an output of these options, in any format."""
        with path.open("rb") as file:
            reader, _ = open_reader(FileReader(file), options)
            table = pa.concat_tables(reader.batches(reader.names, BATCH_ROWS))
        columns = [table.column(place).to_pylist() for place in range(len(reader.names))]
        if reader.cells == "json":
            columns = [[None if one is None else json.loads(one) for one in c] for c in columns]
        kept = 1 if options.keep_columns is None else len(options.keep_columns)
        kept = input_columns if options.keep_columns == ("*",) else kept
        names = reader.names[kept:]
        return cls(columns[:kept], dict(zip(names, columns[kept:], strict=True)))

    @property
    def keys(self) -> list[tuple[str, ...]]:
        """The kept cells of each row."""
        return [tuple(map(str, row)) for row in zip(*self.kept, strict=True)]


@dataclass(frozen=True, slots=True, order=True)
class WorstRow:
    """A row that changes much."""

    change: float
    file: str
    key: tuple[str, ...]
    before: dict[str, Any] = field(compare=False)
    after: dict[str, Any] = field(compare=False)


@dataclass(slots=True)
class Column:
    """How one prediction column changes, over all files."""

    name: str
    rows: int = 0
    changed: int = 0
    deltas: list[Floats] = field(default_factory=list)
    """Of a column of numbers: after minus before."""
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Of a column of classes, or an activation at its threshold: before and after."""

    @property
    def all_deltas(self) -> Floats:
        """The deltas of all rows."""
        return np.concatenate(self.deltas) if self.deltas else np.empty(0)

    def histogram(self, bins: int = 9) -> list[tuple[float, float, int]]:
        """Return the deltas' bins, symmetric around zero: from, to, rows."""
        deltas = self.all_deltas
        deltas = deltas[np.isfinite(deltas)]
        most = float(np.abs(deltas).max(initial=0.0))
        if not most:
            return []
        counts, edges = np.histogram(deltas, bins, range=(-most, most))
        pairs = zip(edges, edges[1:], counts, strict=False)
        return [(float(low), float(high), int(count)) for low, high, count in pairs]


@dataclass(slots=True)
class Comparison:
    """What changes between two outputs of each file; a smaller change than `tolerance` is none."""

    tolerance: float
    rows: int = 0
    changed_rows: int = 0
    unmatched_rows: int = 0
    """Rows that only one of the two outputs has: the other model refused them."""
    columns: dict[str, Column] = field(default_factory=dict)
    only_before: set[str] = field(default_factory=set)
    only_after: set[str] = field(default_factory=set)
    worst: list[WorstRow] = field(default_factory=list)

    def add(self, file: str, before: Output, after: Output) -> None:
        """Compare one file; raises NotComparable if rows or columns cannot be matched."""
        common = [name for name in after.predicted if name in before.predicted]
        if not common:
            old_names, new_names = ", ".join(before.predicted), ", ".join(after.predicted)
            raise NotComparable(
                f"no prediction column is in both outputs: {old_names} before, {new_names} after"
            )
        old, new, unmatched = _matched(before, after)
        self.unmatched_rows += unmatched
        self.only_before |= before.predicted.keys() - after.predicted.keys()
        self.only_after |= after.predicted.keys() - before.predicted.keys()
        classes = any(name.startswith("activation_") for name in common)
        change = np.zeros(len(new))
        for name in common:
            cells = _taken(before.predicted[name], old), _taken(after.predicted[name], new)
            column = self.columns.setdefault(name, Column(name))
            is_class = classes and name == "prediction"
            change = np.maximum(change, self._add_column(column, *cells, is_class=is_class))
        self.rows += len(new)
        self.changed_rows += int((change > 0).sum())
        self._keep_worst(file, before, after, list(zip(old, new, strict=True)), change)

    def _add_column(self, column: Column, old: Cells, new: Cells, *, is_class: bool) -> Floats:
        """Count a column's changes; return how much each row changes, 0 for not at all."""
        column.rows += len(new)
        numbers = None if is_class else _numbers(old, new)
        if numbers is None:
            moves = [(str(a), str(b)) for a, b in zip(old, new, strict=True)]
            column.moves.update(moves)
            change = np.array([float(a != b) for a, b in moves])
        else:
            delta = numbers[1] - numbers[0]
            both_missing = np.isnan(numbers[0]) & np.isnan(numbers[1])
            change = np.where(both_missing, 0.0, np.nan_to_num(np.abs(delta), nan=np.inf))
            change[change <= self.tolerance] = 0.0
            column.deltas.append(delta)
            if column.name == "activation":
                sides = [np.where(one >= THRESHOLD, "above", "below") for one in numbers]
                column.moves.update(zip(*(side.tolist() for side in sides), strict=True))
        column.changed += int((change > 0).sum())
        return change

    def _keep_worst(
        self,
        file: str,
        before: Output,
        after: Output,
        rows: Sequence[tuple[int, int]],
        change: Floats,
    ) -> None:
        keys = after.keys
        for place in np.argsort(-change, kind="stable")[:WORST_ROWS].tolist():
            if not change[place]:
                break
            old, new = rows[place]
            row = WorstRow(
                float(change[place]),
                file,
                keys[new],
                {name: cells[old] for name, cells in before.predicted.items()},
                {name: cells[new] for name, cells in after.predicted.items()},
            )
            self.worst.append(row)
        self.worst = heapq.nlargest(WORST_ROWS, self.worst)


def _matched(before: Output, after: Output) -> tuple[list[int], list[int], int]:
    """Return the rows that both outputs have, and how many only one has.

    Rows are in the order of the input. If one model refused some, the kept cells tell which.
    """
    old, new = before.keys, after.keys
    if old == new:
        return list(range(len(old))), list(range(len(new))), 0
    places = {key: place for place, key in enumerate(old)}
    if len(places) < len(old) or len(set(new)) < len(new):
        raise NotComparable(
            f"the outputs have {len(old)} and {len(new)} rows, and the kept columns do not tell "
            "which of them are the same"
        )
    pairs = [(places[key], place) for place, key in enumerate(new) if key in places]
    unmatched = len(old) + len(new) - 2 * len(pairs)
    return [one for one, _ in pairs], [one for _, one in pairs], unmatched


def _taken(cells: Cells, places: Sequence[int]) -> Cells:
    return [cells[place] for place in places]


def _numbers(*columns: Cells) -> tuple[Floats, ...] | None:
    """Return columns as numbers; None if a cell is none."""
    try:
        return tuple(np.array(list(_floats(cells)), dtype=float) for cells in columns)
    except ValueError:
        return None


def _floats(cells: Cells) -> Iterator[float]:
    for cell in cells:
        yield float("nan") if cell is None or cell == "" else float(cell)
