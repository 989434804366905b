"""Plans the fetches of a Parquet file: which row groups together, and which byte ranges."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from pyarrow import parquet

from worker.formats.parquet.chunk_check import check_chunks
from worker.formats.parquet.range_file import merge_ranges, total_bytes
from worker.interfaces import Range

# Writers before parquet-mr 1.2.9 count a chunk's size without a header; readers add this much.
_PADDING_BYTES = 100


@dataclass(slots=True)
class RowGroupFetch:
    """Row groups that are fetched together, and the byte ranges of their columns."""

    groups: list[int] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    size: int = 0
    """The bytes to fetch."""

    def size_with(self, chunks: Sequence[Range]) -> int:
        """Return the size that it would have with these chunks, which are merged."""
        return self.size + self._merge(chunks)[1]

    def add(self, group: int, chunks: Sequence[Range]) -> None:
        """Add a row group with its chunks, which are merged."""
        (kept, merged), growth = self._merge(chunks)
        self.groups.append(group)
        self.ranges[kept:] = merged
        self.size += growth

    def _merge(self, chunks: Sequence[Range]) -> tuple[tuple[int, list[Range]], int]:
        """Merge chunks with the ranges that they may touch: how many stay, the others, the growth.

        Row groups lie in order in most files, so that only the last range is looked at. To merge
        with all of them each time would take the square of their number.
        """
        in_order = not self.ranges or not chunks or chunks[0][0] >= self.ranges[-1][0]
        kept = max(0, len(self.ranges) - 1) if in_order else 0
        merged = merge_ranges([*self.ranges[kept:], *chunks])
        return (kept, merged), total_bytes(merged) - total_bytes(self.ranges[kept:])


def plan_fetches(
    footer: parquet.FileMetaData,
    columns: Collection[str],
    groups: range,
    *,
    file_size: int,
    fetch_bytes: int,
) -> Iterator[RowGroupFetch]:
    """Put these row groups, in order, into fetches of at most `fetch_bytes`, at least one in each.

    Raises ValueError if the footer is damaged, or points beyond the end of the file.
    """
    positions = _chunk_positions(footer, frozenset(columns))
    filled = list(groups_with_rows(footer, groups))
    check_chunks(footer, list(columns), filled)
    fetch = RowGroupFetch()
    for number in filled:
        group = footer.row_group(number)
        chunks = merge_ranges(
            _chunk_range(group.column(position), file_size) for position in positions
        )
        if fetch.groups and fetch.size_with(chunks) > fetch_bytes:
            yield fetch
            fetch = RowGroupFetch()
        fetch.add(number, chunks)
    if fetch.groups:
        yield fetch


def groups_with_rows(footer: parquet.FileMetaData, groups: range) -> Iterator[int]:
    """Return the numbers of those of the row groups that have rows.

    Raises ValueError if a row group lacks columns.
    """
    for number in groups:
        group = footer.row_group(number)
        if group.num_rows < 0:  # would be taken away from the rows of the others
            raise ValueError(f"row group {number + 1} has {group.num_rows} rows")
        if group.num_columns != footer.num_columns:
            raise ValueError(
                f"row group {number + 1} has {group.num_columns} columns, and the schema has "
                f"{footer.num_columns}"
            )
        if group.num_rows:
            yield number


def group_sizes(footer: parquet.FileMetaData) -> list[int]:
    """Return the bytes of each row group before compression, as the footer has them."""
    # The sizes of its columns say more, but at a damaged one Arrow aborts the process.
    groups = (footer.row_group(group) for group in range(footer.num_row_groups))
    return [group.total_byte_size if group.num_rows else 0 for group in groups]


def first_codec(footer: parquet.FileMetaData, columns: Collection[str], group: int) -> str | None:
    """Return the codec of the first of the columns, which must have been read; None if none."""
    position = next(iter(_chunk_positions(footer, frozenset(columns))), None)
    return None if position is None else footer.row_group(group).column(position).compression


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
