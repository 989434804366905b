"""Parses a line to a row, and collects rows into columns: the exact way for any line."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as quote
from typing import Any

import pyarrow as pa

Row = dict[str, Any]
"""The values of a row by key: bytes are JSON text, such as a number; others are Python objects."""

_DECODER = json.JSONDecoder(
    parse_int=str.encode,
    parse_float=str.encode,
    parse_constant=str.encode,
    # A tuple of pairs keeps repeated keys, and differs in type from a JSON list.
    object_pairs_hook=tuple,
)
_ABSENT = object()
_CONSTANTS = {True: "true", False: "false", None: "null"}


class MalformedLine(Exception):
    """A line is not a JSON object, or not one that can be a row."""


def parse_row(line: bytes) -> Row:
    """Parse the JSON object on a line; raises MalformedLine."""
    try:
        pairs = _DECODER.decode(line.decode())
        if not isinstance(pairs, tuple):
            raise MalformedLine("not a JSON object")
        row = dict(pairs)
        if len(row) < len(pairs):
            ((repeated, _),) = Counter(key for key, _ in pairs).most_common(1)
            raise MalformedLine(f"the key {repeated!r} stands more than once")
        if b"\\" in line or b"[" in line or line.find(b"{", 1) > 0:
            # Encode now what may fail to be encoded: keys, escapes, and nested values.
            "".join(row).encode()
            row = {key: _json_text(value).encode() for key, value in row.items()}
    except json.JSONDecodeError as error:
        raise MalformedLine(f"not JSON: {error.msg} at column {error.colno}") from error
    except UnicodeEncodeError as error:
        raise MalformedLine("an escape (\\ud800, say) stands for half a character") from error
    except RecursionError as error:
        raise MalformedLine("nested too deeply") from error
    return row


def to_column(rows: Sequence[Row], key: str) -> pa.Array:
    """Return the JSON text of a key's values; null for a row that lacks the key."""
    cells = [row.get(key, _ABSENT) for row in rows]
    if set(map(type, cells)) != {bytes}:  # a column of numbers is JSON text already
        cells = [None if cell is _ABSENT else _json_text(cell) for cell in cells]
    return pa.array(cells, pa.string())


def _json_text(value: object) -> str:
    return _ENCODERS[type(value)](value)


def _member(pair: tuple[str, object]) -> str:
    key, value = pair
    return f"{quote(key)}: {_json_text(value)}"


_ENCODERS: dict[type, Callable[[Any], str]] = {
    bytes: bytes.decode,
    str: quote,
    bool: _CONSTANTS.__getitem__,
    type(None): _CONSTANTS.__getitem__,
    list: lambda values: f"[{', '.join(map(_json_text, values))}]",
    tuple: lambda pairs: f"{{{', '.join(map(_member, pairs))}}}",
}
