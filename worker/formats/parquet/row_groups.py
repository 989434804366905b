"""Plans the fetches of a Parquet file: which row groups together, and which byte ranges."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pyarrow import parquet

from worker.formats.parquet.range_file import merge_ranges, total_bytes
from worker.interfaces import Range

# Writers before parquet-mr 1.2.9 count a chunk's size without a header; readers add this much.
_PADDING_BYTES = 100


@dataclass(frozen=True, slots=True)
class RowGroupFetch:
    """Row groups that are fetched together, and the byte ranges of their columns."""

    groups: tuple[int, ...]
    ranges: list[Range]

    @property
    def size(self) -> int:
        """The bytes to fetch."""
        return total_bytes(self.ranges)


def plan_fetches(
    footer: parquet.FileMetaData, columns: Collection[str], *, file_size: int, fetch_bytes: int
) -> Iterator[RowGroupFetch]:
    """Put all row groups, in order, into fetches of at most `fetch_bytes`, at least one in each.

    Raises ValueError if the footer points beyond the end of the file.
    """
    positions = _chunk_positions(footer, frozenset(columns))
    fetch = RowGroupFetch((), [])
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        if not group.num_rows:
            continue
        chunks = [_chunk_range(group.column(position), file_size) for position in positions]
        grown = RowGroupFetch((*fetch.groups, number), merge_ranges([*fetch.ranges, *chunks]))
        if fetch.groups and grown.size > fetch_bytes:
            yield fetch
            grown = RowGroupFetch((number,), merge_ranges(chunks))
        fetch = grown
    if fetch.groups:
        yield fetch


def _chunk_positions(footer: parquet.FileMetaData, columns: frozenset[str]) -> list[int]:
    """Return the positions of the columns' chunks in a row group.

    A nested column has several, with paths such as `a.list.element`.
    """
    return [
        position
        for position in range(footer.num_columns)
        if not columns.isdisjoint(_prefixes(footer.schema.column(position).path))
    ]


def _prefixes(path: str) -> Iterator[str]:
    parts = path.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _chunk_range(column: parquet.ColumnChunkMetaData, file_size: int) -> Range:
    pages = (column.dictionary_page_offset, column.data_page_offset)
    start = min((offset for offset in pages if offset), default=0)
    end = start + column.total_compressed_size
    if not 0 < start <= end <= file_size:
        raise ValueError(f"the footer has a column at bytes {start} to {end} of {file_size}")
    return start, min(end + _PADDING_BYTES, file_size)
