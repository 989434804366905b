"""Large files that are generated while they are uploaded: an id and twenty floats a row."""

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
GROUP_BLOCKS = 10  # makes row groups of 17 MB; a row group of Parquet is held in memory whole


@dataclass(frozen=True, slots=True)
class GeneratedFile:
    """A file that is never held whole: its number of rows and its pieces, to be read once."""

    rows: int
    pieces: Iterable[bytes]


def csv(size: int) -> GeneratedFile:
    """Generate about so many bytes of CSV."""
    header, rows = _csv_block()
    times = _times(size, rows)
    return GeneratedFile(times * BLOCK_ROWS, chain([header], repeat(rows, times)))


def csv_gzip(size: int) -> GeneratedFile:
    """Generate CSV of about so many bytes before compression, in gzip members of some megabytes."""
    header, rows = _csv_block()
    times = _times(size, rows)
    return GeneratedFile(
        times * BLOCK_ROWS, chain([gzip.compress(header)], repeat(_gzip_block(), times))
    )


def csv_zstd(size: int) -> GeneratedFile:
    """Generate CSV of about so many bytes before compression, in zstd frames of some megabytes."""
    header, rows = _csv_block()
    times = _times(size, rows)
    return GeneratedFile(times * BLOCK_ROWS, chain([_zstd(header)], repeat(_zstd_block(), times)))


def json_lines(size: int) -> GeneratedFile:
    """Generate about so many bytes of JSON Lines."""
    rows = _json_block()
    times = _times(size, rows)
    return GeneratedFile(times * BLOCK_ROWS, repeat(rows, times))


def parquet_file(size: int) -> GeneratedFile:
    """Generate about so many bytes of Parquet."""
    times = _times(size, b"".join(_parquet_pieces(1)))
    return GeneratedFile(times * GROUP_BLOCKS * BLOCK_ROWS, _parquet_pieces(times))


FORMATS: Mapping[str, Callable[[int], GeneratedFile]] = {
    "csv": csv,
    "csv.gz": csv_gzip,
    "csv.zst": csv_zstd,
    "jsonl": json_lines,
    "parquet": parquet_file,
}

TITLES: Mapping[str, str] = {
    "csv": "CSV",
    "csv.gz": "CSV in gzip",
    "csv.zst": "CSV in zstd",
    "jsonl": "JSON Lines",
    "parquet": "Parquet",
}


class PieceReader(io.RawIOBase):
    """A file object that reads the pieces, once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True: the object can only be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any writable buffer
        """Fill the buffer or a part of it."""
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
    """Return the rows that a generated file repeats."""
    values = np.random.default_rng(1).normal(size=(BLOCK_ROWS, COLUMNS))
    frame = pd.DataFrame(values, columns=[f"x{number}" for number in range(COLUMNS)])
    frame.insert(0, "id", [f"{number:08}" for number in range(BLOCK_ROWS)])
    return frame


@cache
def _csv_block() -> tuple[bytes, bytes]:
    header, rows = block().to_csv(index=False).encode().split(b"\n", 1)
    return header + b"\n", rows


@cache
def _gzip_block() -> bytes:
    _, rows = _csv_block()
    return gzip.compress(rows)


@cache
def _zstd_block() -> bytes:
    _, rows = _csv_block()
    return _zstd(rows)


def _zstd(content: bytes) -> bytes:
    compressed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return compressed


@cache
def _json_block() -> bytes:
    return block().to_json(orient="records", lines=True, double_precision=15).encode()


@cache
def _row_group() -> pa.Table:
    return pa.concat_tables([pa.Table.from_pandas(block())] * GROUP_BLOCKS).combine_chunks()


def _parquet_pieces(times: int) -> Iterator[bytes]:
    buffer = io.BytesIO()
    # Without dictionaries, which would make the file smaller because its blocks repeat.
    with parquet.ParquetWriter(
        pa.PythonFile(buffer, "w"), _row_group().schema, use_dictionary=False
    ) as writer:
        for _ in range(times):
            writer.write_table(_row_group())
            yield _take(buffer)
    yield _take(buffer)


def _take(buffer: io.BytesIO) -> bytes:
    """Return the buffer's content, and empty the buffer."""
    content = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return content
