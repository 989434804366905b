"""What a Parquet footer says beside its schema: encryption, nulls, and the index of pandas."""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from worker.errors import Unparsable
from worker.footers import field_ids, thrift

# The ids of fields, from parquet.thrift.


END = struct.Struct("<I4s")  # what ends a file: the footer's length, and the magic number


def footer_at_end(data: bytes) -> bytes:
    """Return the footer of a file, or of what a file ends with."""
    length, _ = END.unpack(data[-END.size :])
    return data[-END.size - length : -END.size]


def refuse_encryption(footer: bytes, metadata_size: int) -> None:
    """Raise Unparsable if a file with a plain footer has encrypted columns.

    Such a footer ends with a signature, so its metadata is shorter than the footer.
    """
    if metadata_size == len(footer):
        return
    decoded = thrift.decode(footer)
    is_signed = field_ids.ENCRYPTION in decoded or field_ids.SIGNING_KEY in decoded
    if is_signed or any(field_ids.CRYPTO_METADATA in chunk for chunk in _chunks(decoded)):
        raise Unparsable("the Parquet file has encrypted columns: write it without encryption")


def count_nulls(footer: bytes) -> dict[str, int | None]:
    """Return the count of nulls in each column that is not nested; None if the file has it not."""
    counts: dict[str, int | None] = {}
    for chunk in _chunks(thrift.decode(footer)):
        name, *nested = thrift.texts(chunk, field_ids.METADATA, field_ids.PATH) or [""]
        if nested:
            continue
        nulls = thrift.integer(
            chunk, field_ids.METADATA, field_ids.STATISTICS, field_ids.NULL_COUNT
        )
        before = counts.get(name, 0)
        counts[name] = None if nulls is None or before is None else before + nulls
    return counts


def pandas_index(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...]:
    """Return the names of the columns that were the index of a pandas.DataFrame."""
    try:
        described: Any = json.loads((metadata or {}).get(b"pandas", b"{}"))
        # A RangeIndex is no column: it is described by an object.
        return tuple(name for name in described["index_columns"] if isinstance(name, str))
    except (ValueError, KeyError, TypeError):
        return ()


def _chunks(footer: thrift.Struct) -> Iterator[thrift.Struct]:
    for group in thrift.structs(footer, field_ids.ROW_GROUPS):
        yield from thrift.structs(group, field_ids.CHUNKS)
