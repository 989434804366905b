"""What is read of a Parquet file at once: row groups, and the ranges of the columns wanted."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pyarrow import parquet

from worker.formats.parquet.range_file import joined, total
from worker.interfaces import Range

# Old writers (parquet-mr before 1.2.9) leave out a header's length; readers look that much further.
_PADDING_BYTES = 100


@dataclass(frozen=True, slots=True)
class Window:
    """Row groups that are fetched together, and where in the file their columns lie."""

    groups: tuple[int, ...]
    ranges: list[Range]

    @property
    def size(self) -> int:
        """In bytes."""
        return total(self.ranges)


def windows(
    footer: parquet.FileMetaData, columns: Collection[str], *, size: int, limit: int
) -> Iterator[Window]:
    """All row groups in order, as many at once as fit the limit, and at least one.

    Raises ValueError where the footer points beyond the file, which has this size.
    """
    places = _places(footer, frozenset(columns))
    window = Window((), [])
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        if not group.num_rows:
            continue
        chunks = [_chunk(group.column(place), size) for place in places]
        grown = Window((*window.groups, number), joined([*window.ranges, *chunks]))
        if window.groups and grown.size > limit:
            yield window
            grown = Window((number,), joined(chunks))
        window = grown
    if window.groups:
        yield window


def _places(footer: parquet.FileMetaData, columns: frozenset[str]) -> list[int]:
    """The column chunks of the columns; those of nested ones have paths, as `a.list.element`."""
    return [
        place
        for place in range(footer.num_columns)
        if not columns.isdisjoint(_prefixes(footer.schema.column(place).path))
    ]


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _chunk(column: parquet.ColumnChunkMetaData, size: int) -> Range:
    pages = (column.dictionary_page_offset, column.data_page_offset)
    start = min((offset for offset in pages if offset), default=0)
    end = start + column.total_compressed_size
    if not 0 < start <= end <= size:
        raise ValueError(f"the footer has a column at bytes {start} to {end} of {size}")
    return start, min(end + _PADDING_BYTES, size)
