"""Large tables of one shape, made as they are sent: an id and twenty floats a row."""

import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, repeat

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

COLUMNS = 20
BLOCK_ROWS = 10_000
GROUP_BLOCKS = 10  # a row group of Parquet is held whole: these are of 17 MB


@dataclass(frozen=True, slots=True)
class Table:
    """A file that is never whole: how many rows it has, and the pieces of it, to be taken once."""

    rows: int
    pieces: Iterable[bytes]


def csv(size: int) -> Table:
    """So many bytes of CSV, more or less."""
    header, rows = _csv_block()
    times = _times(size, rows)
    return Table(times * BLOCK_ROWS, chain([header], repeat(rows, times)))


def csv_gzip(size: int) -> Table:
    """So many bytes of CSV before they are compressed, in members of some megabytes."""
    header, rows = _csv_block()
    times = _times(size, rows)
    return Table(times * BLOCK_ROWS, chain([gzip.compress(header)], repeat(_packed(), times)))


def json_lines(size: int) -> Table:
    """So many bytes of JSON Lines."""
    rows = _json_block()
    times = _times(size, rows)
    return Table(times * BLOCK_ROWS, repeat(rows, times))


def parquet_file(size: int) -> Table:
    """So many bytes of Parquet."""
    times = _times(size, b"".join(_parquet_pieces(1)))
    return Table(times * GROUP_BLOCKS * BLOCK_ROWS, _parquet_pieces(times))


FORMATS: Mapping[str, Callable[[int], Table]] = {
    "csv": csv,
    "csv.gz": csv_gzip,
    "jsonl": json_lines,
    "parquet": parquet_file,
}


class Pieces(io.RawIOBase):
    """Pieces as a file that can be read once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any writable buffer
        """Fill the buffer, or a part of it."""
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _times(size: int, piece: bytes) -> int:
    return max(1, round(size / len(piece)))


@cache
def block() -> pd.DataFrame:
    """The rows that a large table repeats."""
    values = np.random.default_rng(1).normal(size=(BLOCK_ROWS, COLUMNS))
    frame = pd.DataFrame(values, columns=[f"x{number}" for number in range(COLUMNS)])
    frame.insert(0, "id", [f"{number:08}" for number in range(BLOCK_ROWS)])
    return frame


@cache
def _csv_block() -> tuple[bytes, bytes]:
    header, rows = block().to_csv(index=False).encode().split(b"\n", 1)
    return header + b"\n", rows


@cache
def _packed() -> bytes:
    _, rows = _csv_block()
    return gzip.compress(rows)


@cache
def _json_block() -> bytes:
    return block().to_json(orient="records", lines=True, double_precision=15).encode()


@cache
def _row_group() -> pa.Table:
    return pa.concat_tables([pa.Table.from_pandas(block())] * GROUP_BLOCKS).combine_chunks()


def _parquet_pieces(times: int) -> Iterator[bytes]:
    ready = io.BytesIO()
    # Without dictionaries, as the blocks' repetition must not make the file smaller.
    with parquet.ParquetWriter(
        pa.PythonFile(ready, "w"), _row_group().schema, use_dictionary=False
    ) as writer:
        for _ in range(times):
            writer.write_table(_row_group())
            yield _taken(ready)
    yield _taken(ready)


def _taken(ready: io.BytesIO) -> bytes:
    taken = ready.getvalue()
    ready.seek(0)
    ready.truncate()
    return taken
