"""JSON text in columns of strings: how such a column is marked, and what its cells say as text.

A null is a key that the row lacks; JSON's own null is the text `null`.
"""

import json

import pyarrow as pa
import pyarrow.compute as pc

_MARK = {b"cells": b"json"}
_NUMBER_AS_STRING = r'^"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"$'


def json_field(name: str) -> pa.Field:
    """A field whose column holds JSON text."""
    return pa.field(name, pa.string(), metadata=_MARK)


def holds_json(field: pa.Field) -> bool:
    """Whether the field's column holds JSON text."""
    return bool((field.metadata or {}).items() >= _MARK.items())


def plain_text(table: pa.Table) -> pa.Table:
    """The table with its JSON text as text, and JSON's null as a null."""
    for place, field in enumerate(table.schema):
        if holds_json(field):
            column = table.column(place)
            present = pc.if_else(pc.equal(column, "null"), pa.scalar(None, pa.string()), column)
            table = table.set_column(place, pa.field(field.name, pa.string()), unquoted(present))
    return table


def unquoted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """JSON strings by their value, anything else as the JSON text it is."""
    quoted = pc.starts_with(column, '"')
    if pc.any(pc.match_substring(column, "\\")).as_py():
        cells = zip(column.to_pylist(), quoted.to_pylist(), strict=True)
        values = [json.loads(cell) if is_quoted else cell for cell, is_quoted in cells]
        return pa.chunked_array([pa.array(values, pa.string())])
    return pc.if_else(quoted, pc.utf8_slice_codeunits(column, 1, -1), column)


def numbers_unquoted(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with the numbers that came as JSON strings as the numbers they look like."""
    return pc.replace_substring_regex(column, _NUMBER_AS_STRING, r"\1")
