"""Writes JSON Lines: JSON text verbatim, other values as the nearest JSON value."""

import json
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from json.encoder import encode_basestring as quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from worker.errors import SchemaMismatch
from worker.formats.float_text import format_floats
from worker.formats.json_lines.cells import holds_json

_COMMA = ", "
_NamedText = tuple[str, pa.ChunkedArray]


class JsonLinesWriter:
    """Writes tables as one JSON object a line, with LF line ends.

    A null is written as `null`; in a column of JSON text it is a key that is left out. Times with a
    time zone are written in UTC. Infinity is `Infinity` and NaN is `NaN`, as in Python's own JSON.
    """

    def write(self, table: pa.Table) -> bytes:
        """Return the table's rows as lines."""
        columns = [
            (f"{quote(field.name)}: ", _to_text(field, column))
            for field, column in zip(table.schema, table.columns, strict=True)
        ]
        has_gaps = any(text.null_count for _, text in columns)
        lines = _join_present(columns) if has_gaps else _join(columns)
        return b"".join(map(_bytes, lines.chunks))

    def finish(self) -> bytes:
        """Return nothing: every line has been returned already."""
        return b""


def _to_text(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the JSON text of a column; null for a key that is left out."""
    return column if holds_json(field) else pc.fill_null(_to_json(field, column), "null")


def _join(columns: Sequence[_NamedText]) -> pa.ChunkedArray:
    """Return a line of JSON for each row, of columns without nulls."""
    parts: list[str | pa.ChunkedArray] = []
    for place, (name, text) in enumerate(columns):
        parts += [("{" if place == 0 else _COMMA) + name, text]
    return pc.binary_join_element_wise(*parts, "}\n", "")


def _join_present(columns: Sequence[_NamedText]) -> pa.ChunkedArray:
    """Return a line of JSON for each row; a null is a key that is left out."""
    members = [pc.binary_join_element_wise(_COMMA + name, text, "") for name, text in columns]
    # Not null_handling="skip": Arrow would leave out a row in which all members are null.
    joined = pc.binary_join_element_wise(*members, "", null_handling="replace")
    rows = pc.utf8_slice_codeunits(joined, len(_COMMA))
    return pc.binary_join_element_wise("{", rows, "}\n", "")


def _bytes(lines: pa.Array) -> bytes:
    """Return the texts of an array behind each other: so they are in its memory."""
    if not len(lines):
        return b""
    _, offsets, text = lines.buffers()
    ends = np.frombuffer(offsets, np.int32)[lines.offset :]
    data: bytes = text[ends[0] : ends[len(lines)]].to_pybytes()
    return data


def _to_json(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the JSON text of a column's values."""
    data_type = field.type
    if types.is_dictionary(data_type):
        return _to_json(
            field.with_type(data_type.value_type), pc.cast(column, data_type.value_type)
        )
    try:
        if types.is_floating(data_type):
            text = pc.replace_substring(format_floats(column), "inf", "Infinity")
            return pc.replace_substring(text, "nan", "NaN")
        if (
            types.is_integer(data_type)
            or types.is_boolean(data_type)
            or types.is_decimal(data_type)
        ):
            return pc.cast(column, pa.string())
        if types.is_temporal(data_type) and not types.is_duration(data_type):
            return _times_to_json(column)
        encode = (
            quote
            if types.is_string(data_type) or types.is_large_string(data_type)
            else _encode_nested
        )
        cells = [None if cell is None else encode(cell) for cell in column.to_pylist()]
        return pa.chunked_array([pa.array(cells, pa.string())])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SchemaMismatch(
            f"the column {field.name!r} is of type {field.type}, which JSON cannot hold: "
            "leave it out of WORKER_KEEP_COLUMNS"
        ) from error


def _times_to_json(column: pa.ChunkedArray) -> pa.ChunkedArray:
    data_type = column.type
    if types.is_timestamp(data_type) and data_type.tz is not None:
        column = pc.cast(column, pa.timestamp(data_type.unit, "UTC"))
    text = pc.replace_substring(pc.cast(column, pa.string()), " ", "T")
    return pc.binary_join_element_wise('"', text, '"', "")


def _encode_nested(value: object) -> str:
    """Return a nested value as JSON text; raises TypeError if JSON cannot hold a part of it."""
    return json.dumps(value, ensure_ascii=False, default=_encode_special)


def _encode_special(value: object) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
