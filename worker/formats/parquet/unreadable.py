"""Columns of a type that Arrow cannot read: the others are read as if it were a known one."""

import base64
import struct

import pyarrow as pa
from pyarrow import parquet

from worker.footers import field_ids, thrift

# The ids of fields, from parquet.thrift.
_TYPE, _REPETITION, _NAME, _CHILDREN = 1, 3, 4, 5  # of an element of the schema
_KEY, _VALUE = 1, 2  # of a pair of key and value
_BYTE_ARRAY = 6  # a physical type that needs nothing else

_ARROW_SCHEMA = "ARROW:schema"


class ReadableFooter:
    """A footer in which every column of a type that Arrow cannot read is one of plain bytes."""

    def __init__(self, footer: bytes) -> None:
        """Raise ValueError if another part of the footer is damaged."""
        decoded = thrift.decode(footer, ends_there=True)
        self.reasons: dict[str, str] = {}
        """Why Arrow cannot read a column, by its name."""
        elements = thrift.structs(decoded, field_ids.SCHEMA)
        readable = elements[:1]
        for column in _columns(elements[1:]):
            reason = _reason(elements[0], column)
            if reason is not None:
                self.reasons[thrift.text(column[0], _NAME) or ""] = reason
            readable += column if reason is None else map(_without_type, column)
        decoded[field_ids.SCHEMA] = (thrift.LIST, thrift.Sequence(thrift.STRUCT, readable))
        if not self.reasons:
            _drop_arrow_schema(decoded)
        self.footer = thrift.encode(decoded)


def in_memory(footer: bytes) -> parquet.ParquetFile:
    """Open a footer as a file without data; raises as Arrow does if it cannot read a column."""
    body = b"PAR1" + footer + struct.pack("<I4s", len(footer), b"PAR1")
    file = parquet.ParquetFile(pa.BufferReader(body))
    file.schema_arrow  # noqa: B018 - raises if Arrow has no type for a column
    return file


def _columns(elements: list[thrift.Struct]) -> list[list[thrift.Struct]]:
    """Return the elements of each column: a nested one has several, in depth-first order."""
    columns: list[list[thrift.Struct]] = []
    open_children = 0
    for element in elements:
        if open_children == 0:
            columns.append([])
            open_children = 1
        columns[-1].append(element)
        open_children += (thrift.integer(element, _CHILDREN) or 0) - 1
    return columns


def _reason(root: thrift.Struct, column: list[thrift.Struct]) -> str | None:
    """Return why Arrow cannot read a column; None if it can."""
    alone = root | {_CHILDREN: (thrift.I32, 1)}
    schema = thrift.Sequence(thrift.STRUCT, [alone, *column])
    footer: thrift.Struct = {
        1: (thrift.I32, 1),
        field_ids.SCHEMA: (thrift.LIST, schema),
        field_ids.ROWS: (thrift.I64, 0),
        field_ids.ROW_GROUPS: (thrift.LIST, thrift.Sequence(thrift.STRUCT, [])),
    }
    try:
        in_memory(thrift.encode(footer))
    except (pa.ArrowException, OSError, ValueError) as error:
        return str(error)
    return None


def _without_type(element: thrift.Struct) -> thrift.Struct:
    """Return an element of the schema as plain bytes, or as a group without a meaning."""
    kept = {field: element[field] for field in (_REPETITION, _NAME, _CHILDREN) if field in element}
    return kept if thrift.integer(element, _CHILDREN) else kept | {_TYPE: (thrift.I32, _BYTE_ARRAY)}


def _drop_arrow_schema(footer: thrift.Struct) -> None:
    """Drop the types that another version of Arrow has added: the file has its own."""
    pairs = thrift.structs(footer, field_ids.KEY_VALUES)
    kept = [pair for pair in pairs if thrift.text(pair, _KEY) != _ARROW_SCHEMA]
    if len(kept) == len(pairs):
        raise ValueError("the footer is damaged")
    for pair in pairs:
        if thrift.text(pair, _KEY) == _ARROW_SCHEMA:
            # Raises ValueError if it is damaged: then no one knows what else is.
            base64.b64decode(thrift.text(pair, _VALUE) or "", validate=True)
    footer[field_ids.KEY_VALUES] = (thrift.LIST, thrift.Sequence(thrift.STRUCT, kept))
