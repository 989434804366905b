"""A Parquet file with one damaged byte, or cut short: right or refused, and never other rows.

Pages have checksums, but the footer has none: a damaged name, or a logical type that became another
one, nobody can see. Such a file is wrong only if pyarrow, with checksums verified, does not read
the very same rows.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa
from pyarrow import parquet

from tests.robustness.verdict import Polluted, Row, Truth

_ROWS = 60
_MASKS = (0x01, 0x80, 0xFF)


def table() -> pa.Table:
    """Return the true table."""
    numbers = range(_ROWS)
    return pa.table(
        {
            "id": [f"key {number:03}" for number in numbers],
            "whole": pa.array([number * 7 for number in numbers], pa.int64()),
            "float": [None if number % 9 == 0 else number / 7 for number in numbers],
            "word": pa.array([("a", "bb", "ccc")[number % 3] for number in numbers]),
            "flag": [number % 2 == 0 for number in numbers],
            "time": pa.array(
                [datetime(2018, 1, 1 + number % 28, tzinfo=UTC) for number in numbers],
                pa.timestamp("us", "UTC"),
            ),
        }
    )


def whole_file() -> bytes:
    """Return the undamaged file: three row groups, each page with its checksum."""
    buffer = io.BytesIO()
    parquet.write_table(
        table(), buffer, row_group_size=20, write_page_checksum=True, compression="snappy"
    )
    return buffer.getvalue()


def damaged_files() -> Iterator[Polluted]:
    """Return the whole file, then those cut short, then those with one byte changed."""
    body, truth = whole_file(), Truth.of(as_header(table()), as_rows(table()))
    yield Polluted("whole", body, truth)
    for end in range(0, len(body), 97):
        yield Polluted(f"cut short at {end}", body[:end], truth)
        yield Polluted(f"the middle is missing at {end}", body[:end] + body[end + 97 :], truth)
    for position in range(len(body)):
        for mask in _MASKS:
            damaged = bytearray(body)
            damaged[position] ^= mask
            yield Polluted(f"byte {position} ^ {mask:#04x}", bytes(damaged), truth)


def as_header(read: pa.Table) -> Row:
    """Return the names of a table."""
    return tuple(read.column_names)


def as_rows(read: pa.Table) -> list[Row]:
    """Return the rows of a table, as text that differs where values or their types differ."""
    columns = [_as_text(column) for column in read.columns]
    return list(zip(*columns, strict=True))


def _as_text(column: pa.ChunkedArray) -> list[str]:
    """Return values as text; a time as its number, since its zone may be damaged."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return [repr(value) for value in column.to_pylist()]


__all__ = ["as_header", "as_rows", "damaged_files", "table"]
