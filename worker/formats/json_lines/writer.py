"""JSON Lines out: JSON text as it came, anything else as the JSON value that is nearest to it."""

import json
from datetime import date, time
from decimal import Decimal
from json.encoder import encode_basestring as quoted

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from worker.errors import SchemaMismatch
from worker.formats.float_text import shortest
from worker.formats.json_lines.cells import holds_json

_COMMA = ", "


class JsonLinesSink:
    """Tables to one JSON object a line, LF line ends.

    A null is `null`; in a column of JSON text it is a key left out. Times with a zone leave in UTC.
    Infinities are `Infinity` and NaN is `NaN`, as Python writes and reads them.
    """

    def write(self, table: pa.Table) -> bytes:
        """The table's rows as lines."""
        members = [
            _members(field, column)
            for field, column in zip(table.schema, table.columns, strict=True)
        ]
        # Not null_handling="skip": Arrow leaves out a whole row in which all members are null.
        joined = pc.binary_join_element_wise(*members, "", null_handling="replace")
        rows = pc.utf8_slice_codeunits(joined, len(_COMMA))
        lines: list[str] = pc.binary_join_element_wise("{", rows, "}\n", "").to_pylist()
        return "".join(lines).encode()

    def finish(self) -> bytes:
        """Nothing: every line has been handed over."""
        return b""


def _members(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as members of JSON objects, each behind a comma; a null for a key left out."""
    text = column if holds_json(field) else pc.fill_null(_json(field, column), "null")
    return pc.binary_join_element_wise(f"{_COMMA}{quoted(field.name)}: ", text, "")


def _json(field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The JSON text of a column's values."""
    kind = field.type
    if kinds.is_dictionary(kind):
        return _json(field.with_type(kind.value_type), pc.cast(column, kind.value_type))
    try:
        if kinds.is_floating(kind):
            text = pc.replace_substring(shortest(column), "inf", "Infinity")
            return pc.replace_substring(text, "nan", "NaN")
        if kinds.is_integer(kind) or kinds.is_boolean(kind) or kinds.is_decimal(kind):
            return pc.cast(column, pa.string())
        if kinds.is_temporal(kind) and not kinds.is_duration(kind):
            return _quoted_times(column)
        encode = quoted if kinds.is_string(kind) or kinds.is_large_string(kind) else _encode
        cells = [None if cell is None else encode(cell) for cell in column.to_pylist()]
        return pa.chunked_array([pa.array(cells, pa.string())])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SchemaMismatch(
            f"the column {field.name!r} is of type {field.type}, which JSON cannot hold: "
            "leave it out of WORKER_KEEP_COLUMNS"
        ) from error


def _quoted_times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if kinds.is_timestamp(kind) and kind.tz is not None:
        column = pc.cast(column, pa.timestamp(kind.unit, "UTC"))
    text = pc.replace_substring(pc.cast(column, pa.string()), " ", "T")
    return pc.binary_join_element_wise('"', text, '"', "")


def _encode(value: object) -> str:
    """A nested value, whose numbers, texts and times JSON can hold."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"JSON has no {type(value).__name__}")
