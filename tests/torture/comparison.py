"""Compares an output with the expected one: Parquet as tables, compressed files decompressed."""

import gzip
import io

import pyarrow as pa
from pyarrow import parquet

_SHOWN = 300


def difference(expected: bytes, found: bytes) -> str | None:
    """Return a description of the difference; None if there is none."""
    if expected.startswith(b"PAR1"):
        return _difference_of_tables(expected, found)
    for magic, unpack in ((b"\x1f\x8b", gzip.decompress), (b"\x28\xb5\x2f\xfd", _decompress_zstd)):
        if expected.startswith(magic):
            if not found.startswith(magic):
                return f"not compressed the same way: {found[:_SHOWN]!r}"
            return difference(unpack(expected), unpack(found))
    if found == expected:
        return None
    place = next(
        (
            place
            for place, pair in enumerate(zip(expected, found, strict=False))
            if len(set(pair)) > 1
        ),
        min(len(expected), len(found)),
    )
    begin = max(0, place - _SHOWN // 2)
    return (
        f"differs at byte {place} of {len(expected)} and {len(found)}: expected "
        f"{expected[begin : begin + _SHOWN]!r}, found {found[begin : begin + _SHOWN]!r}"
    )


def _difference_of_tables(expected: bytes, found: bytes) -> str | None:
    if not found.startswith(b"PAR1"):
        return f"no Parquet: {found[:_SHOWN]!r}"
    wanted, actual = (parquet.ParquetFile(io.BytesIO(body)) for body in (expected, found))
    if actual.schema_arrow != wanted.schema_arrow:
        return f"expected columns {wanted.schema_arrow}, found {actual.schema_arrow}"
    if not actual.read().equals(wanted.read()):
        return f"expected {wanted.read().to_pylist()[:5]}, found {actual.read().to_pylist()[:5]}"
    codecs = [_codec(file) for file in (wanted, actual)]
    return None if codecs[0] == codecs[1] else f"expected the codec {codecs[0]}, found {codecs[1]}"


def _codec(file: parquet.ParquetFile) -> str | None:
    footer = file.metadata
    return footer.row_group(0).column(0).compression if footer.num_rows else None


def _decompress_zstd(compressed: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(compressed), "zstd") as stream:
        plain: bytes = stream.read()
    return plain
