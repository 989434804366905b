"""Cells of JSON text: marks the columns that hold them, and converts them to plain text.

JSON text is verbatim, so a kept value leaves as it came. A null in such a column is a key that the
row lacks; JSON's own null is the text `null`.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_JSON_METADATA = {b"cells": b"json"}
_BOOLEAN_AS_STRING = r'^"(true|True|TRUE|false|False|FALSE|[01](?:\.0)?)"$'
_QUOTE = ord('"')
_MOST_DIGITS = 4000
_NUMBER_AS_STRING = r'^"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"$'


def json_field(name: str) -> pa.Field:
    """Return a field for a column of JSON text."""
    return pa.field(name, pa.string(), metadata=_JSON_METADATA)


def holds_json(field: pa.Field) -> bool:
    """Return whether the field's column holds JSON text."""
    return bool((field.metadata or {}).items() >= _JSON_METADATA.items())


def json_to_text(table: pa.Table) -> pa.Table:
    """Convert the columns of JSON text to plain text, and JSON's null to a null."""
    if not any(map(holds_json, table.schema)):
        return table
    # To set one column after the other would take the square of their number.
    pairs = zip(table.schema, table.columns, strict=True)
    fields, columns = zip(*(_plain(field, column) for field, column in pairs), strict=True)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _plain(field: pa.Field, column: pa.ChunkedArray) -> tuple[pa.Field, pa.ChunkedArray]:
    if not holds_json(field):
        return field, column
    present = pc.if_else(pc.equal(column, "null"), pa.scalar(None, pa.string()), column)
    return pa.field(field.name, pa.string()), unquote_strings(present)


def unquote_strings(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace JSON strings by their value; other JSON text is left as it is."""
    quoted = pc.starts_with(column, '"')
    if pc.any(pc.match_substring(column, "\\")).as_py():
        cells = zip(column.to_pylist(), quoted.to_pylist(), strict=True)
        values = [json.loads(cell) if is_quoted else cell for cell, is_quoted in cells]
        return pa.chunked_array([pa.array(values, pa.string())])
    return pc.if_else(quoted, pc.utf8_slice_codeunits(column, 1, -1), column)


def unquote_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace JSON strings that look like numbers by those numbers."""
    return _replace_strings(column, _NUMBER_AS_STRING)


def unquote_booleans(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Replace JSON strings that look like true, false, 1 or 0 by those values."""
    return _replace_strings(column, _BOOLEAN_AS_STRING)


def _replace_strings(column: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    return pc.replace_substring_regex(column, pattern, r"\1") if _may_quote(column) else column


def _may_quote(column: pa.ChunkedArray) -> bool:
    """Return whether a quote is in the memory of the texts: that takes no time for each cell."""
    texts = (chunk.buffers()[2] for chunk in column.chunks)
    return any(np.any(np.frombuffer(text, np.uint8) == _QUOTE) for text in texts if text)


def json_value(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of JSON text as a Python object; an endless integer is a float."""
    return json.loads(text, parse_int=_to_integer)


def _to_integer(digits: str) -> int | float:
    # Python refuses to read more digits than these, as that takes time by their square.
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)
