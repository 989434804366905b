"""Parquet files with footers that no library writes."""

import base64
import io
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet.encryption as pe
from pyarrow import parquet

from worker.footers import thrift
from worker.footers.thrift import Struct

_END = struct.Struct("<I4s")
SCHEMA, ROW_GROUPS = 2, 4  # of the footer
CHUNKS = 1  # of a row group
CHUNK_METADATA = 3  # of a column's chunk


def with_footer(body: bytes, change: Callable[[Struct], object]) -> bytes:
    """Return the file with a footer that was changed in place."""
    length, _ = _END.unpack(body[-_END.size :])
    start = len(body) - _END.size - length
    footer = thrift.decode(body[start : start + length])
    change(footer)
    return body[:start] + with_end(thrift.encode(footer))


def with_end(footer: bytes) -> bytes:
    return footer + _END.pack(len(footer), b"PAR1")


def schema(footer: Struct) -> list[Struct]:
    """Return the schema's elements: the root, and then each column of a flat file."""
    elements: list[Struct] = footer[SCHEMA][1].items
    return elements


def chunk(footer: Struct, column: int, group: int = 0) -> Struct:
    """Return the entry of a column in a row group."""
    found: Struct = footer[ROW_GROUPS][1].items[group][CHUNKS][1].items[column]
    return found


def chunk_metadata(footer: Struct, column: int, group: int = 0) -> Struct:
    found: Struct = chunk(footer, column, group)[CHUNK_METADATA][1]
    return found


def encrypted(table: pa.Table, columns: Sequence[str], *, plain_footer: bool) -> bytes:
    """Return a file with encrypted columns."""
    options: dict[str, Any] = {"column_keys": {"key": list(columns)}} if columns else {}
    if not columns:
        options["uniform_encryption"] = True
    factory = pe.CryptoFactory(_Keys)
    properties = factory.file_encryption_properties(
        pe.KmsConnectionConfig(),
        pe.EncryptionConfiguration("footer", plaintext_footer=plain_footer, **options),
    )
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    return buffer.getvalue()


class _Keys(pe.KmsClient):  # type: ignore[misc] # Arrow has no types
    """Keeps keys without a service."""

    def __init__(self, _: pe.KmsConnectionConfig) -> None:
        super().__init__()

    def wrap_key(self, key: bytes, _: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, key: bytes, _: str) -> bytes:
        return base64.b64decode(key)


def in_hadoops_lz4(columns: dict[str, Sequence[float]]) -> bytes:
    """Return a file of numbers, each page compressed by LZ4 in the frames of Hadoop."""
    written = io.BytesIO()
    fields = [pa.field(name, pa.float64(), nullable=False) for name in columns]
    table = pa.table(list(columns.values()), pa.schema(fields))
    parquet.write_table(table, written, compression="lz4", use_dictionary=False)
    pages = [_hadoop_page(values) for values in columns.values()]
    offsets = [4 + sum(map(len, pages[:place])) for place in range(len(pages))]

    def change(footer: Struct) -> None:
        for place, page in enumerate(pages):
            metadata = chunk_metadata(footer, place)
            metadata[4] = thrift.I32, 5  # the codec
            metadata[7] = thrift.I64, len(page)
            metadata[9] = thrift.I64, offsets[place]

    changed = with_footer(written.getvalue(), change)
    footer = changed[-_END.size - _END.unpack(changed[-_END.size :])[0] :]
    return b"PAR1" + b"".join(pages) + footer


def _hadoop_page(values: Sequence[float]) -> bytes:
    plain = struct.pack(f"<{len(values)}d", *values)
    packed = pa.compress(plain, codec="lz4_raw", asbytes=True)
    framed = struct.pack(">II", len(plain), len(packed)) + packed
    data_page: Struct = dict.fromkeys((3, 4), (thrift.I32, 3))  # levels are RLE
    data_page |= {1: (thrift.I32, len(values)), 2: (thrift.I32, 0)}
    header: Struct = {
        1: (thrift.I32, 0),
        2: (thrift.I32, len(plain)),
        3: (thrift.I32, len(framed)),
        5: (thrift.STRUCT, data_page),
    }
    page: bytes = thrift.encode(header) + framed
    return page
