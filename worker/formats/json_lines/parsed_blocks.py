"""Parses blocks of lines: the lines of a known shape together, and all others one by one."""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from worker.formats.json_lines.lines import LineBlock, Places
from worker.formats.json_lines.rows import MalformedLine, Row, parse_row, to_column
from worker.formats.json_lines.shapes import IndexedBlock, LineShape, Matches

_MOST_SHAPES = 8  # each takes time in every block
_FEWEST_LINES = 8  # to search for a shape takes longer than to parse fewer lines
_TRIED_LINES = 8
_MOST_BYTES = 2**22  # a block with a longer line is not searched, which would take much memory

CheckKeys = Callable[[AbstractSet[str]], None]
"""Raises MalformedLine if an object of these keys may not be a row."""


@dataclass(eq=False)
class ParsedBlock:
    """The lines of a block, by their index in it: each is a row or malformed."""

    block: LineBlock
    matches: list[Matches]
    others: dict[int, Row] = field(default_factory=dict)
    """The rows of no known shape."""
    malformed: dict[int, str] = field(default_factory=dict)
    """Why lines are no rows."""

    @cached_property
    def rows(self) -> Places:
        """The lines that are rows, in order."""
        return np.sort(self._unordered)

    @cached_property
    def malformed_lines(self) -> Places:
        """The lines that are no rows, in order."""
        return np.fromiter(self.malformed, np.intp, len(self.malformed))

    @property
    def _unordered(self) -> Places:
        others = np.fromiter(self.others, np.intp, len(self.others))
        return np.concatenate([*(match.lines for match in self.matches), others])

    def keys_in_order(self) -> Iterator[tuple[str, ...]]:
        """Return the keys of rows, in the order of the lines; of lines of one shape only once."""
        found = {int(match.lines[0]): match.shape.keys for match in self.matches}
        found |= {line: tuple(row) for line, row in self.others.items()}
        return (found[line] for line in sorted(found))

    def to_table(self, schema: pa.Schema) -> pa.Table:
        """Return the rows, in order."""
        parts = [match.columns(schema.names) for match in self.matches]
        if self.others or not parts:
            rows = list(self.others.values())
            parts.append([to_column(rows, name) for name in schema.names])
        batches = [pa.RecordBatch.from_arrays(part, schema=schema) for part in parts]
        table = pa.Table.from_batches(batches)
        return table if len(batches) == 1 else table.take(np.argsort(self._unordered))


class BlockParser:
    """Parses the blocks of a file, and learns the shapes of its lines."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[bytes, ...], LineShape] = {}  # the latest used is the last

    def parse(self, block: LineBlock, check_keys: CheckKeys) -> ParsedBlock:
        """Parse every line of a block."""
        is_left = np.ones(len(block), np.bool_)
        parsed = ParsedBlock(block, list(self._find_shapes(block, is_left, check_keys)))
        for line in np.flatnonzero(is_left).tolist():
            try:
                row = parse_row(block.line(line))
                check_keys(row.keys())
            except MalformedLine as error:
                parsed.malformed[line] = str(error)
            else:
                parsed.others[line] = row
        return parsed

    def _find_shapes(
        self, block: LineBlock, is_left: npt.NDArray[np.bool_], check_keys: CheckKeys
    ) -> Iterator[Matches]:
        """Return the lines of each shape; they are no longer left."""
        if len(block.text) > _MOST_BYTES:
            return
        indexed = IndexedBlock(block)
        for shape in self._shapes_of(block, is_left):
            lines = np.flatnonzero(is_left)
            if len(lines) < _FEWEST_LINES:
                return
            found = shape.find(indexed, lines)
            if len(found.lines) and _may_be_rows(shape, check_keys):
                is_left[found.lines] = False
                self._remember(shape)
                yield found

    def _shapes_of(self, block: LineBlock, is_left: npt.NDArray[np.bool_]) -> Iterator[LineShape]:
        """Return the shapes of earlier blocks, and then those of some lines that are left."""
        yield from reversed(list(self._shapes.values()))
        left = (line for line in np.flatnonzero(is_left).tolist() if is_left[line])
        for line in islice(left, _TRIED_LINES):
            shape = LineShape.of(block.line(line))
            if shape is not None and shape.before not in self._shapes:
                yield shape

    def _remember(self, shape: LineShape) -> None:
        self._shapes.pop(shape.before, None)
        self._shapes[shape.before] = shape
        if len(self._shapes) > _MOST_SHAPES:
            del self._shapes[next(iter(self._shapes))]


def _may_be_rows(shape: LineShape, check_keys: CheckKeys) -> bool:
    try:
        check_keys(shape.places.keys())
    except MalformedLine:
        return False
    return True
