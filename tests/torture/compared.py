"""What was found against what must come out: tables as tables, packed bytes by what is in them."""

import gzip
import io

import pyarrow as pa
from pyarrow import parquet

_SHOWN = 300


def difference(expected: bytes, found: bytes) -> str | None:
    """What is wrong with what was found; None when nothing is."""
    if expected.startswith(b"PAR1"):
        return _between_tables(expected, found)
    for magic, unpack in ((b"\x1f\x8b", gzip.decompress), (b"\x28\xb5\x2f\xfd", _unzstd)):
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


def _between_tables(expected: bytes, found: bytes) -> str | None:
    if not found.startswith(b"PAR1"):
        return f"no Parquet: {found[:_SHOWN]!r}"
    wanted, answer = (parquet.ParquetFile(io.BytesIO(body)) for body in (expected, found))
    if answer.schema_arrow != wanted.schema_arrow:
        return f"expected columns {wanted.schema_arrow}, found {answer.schema_arrow}"
    if not answer.read().equals(wanted.read()):
        return f"expected {wanted.read().to_pylist()[:5]}, found {answer.read().to_pylist()[:5]}"
    codecs = [_codec(file) for file in (wanted, answer)]
    return None if codecs[0] == codecs[1] else f"expected the codec {codecs[0]}, found {codecs[1]}"


def _codec(file: parquet.ParquetFile) -> str | None:
    footer = file.metadata
    return footer.row_group(0).column(0).compression if footer.num_rows else None


def _unzstd(packed: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        plain: bytes = stream.read()
    return plain
