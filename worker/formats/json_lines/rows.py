"""Text to numbered lines, lines to rows of JSON text, and rows to columns."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

import pyarrow as pa

from worker.errors import Unparsable

_LINE_BYTES = 16 * 2**20
_BLANKS = b" \t\r"


class Line(NamedTuple):
    """A line without its end."""

    number: int
    text: bytes


def numbered(text: Iterable[bytes]) -> Iterator[Line]:
    """The lines that are not blank, numbered from 1; raises Unparsable for one beyond 16 MiB."""
    for number, line in enumerate(_split(text), 1):
        if len(line) > _LINE_BYTES:
            raise Unparsable(f"line {number} is longer than {_LINE_BYTES // 2**20} MiB")
        if line.strip(_BLANKS):
            yield Line(number, line.removesuffix(b"\r"))


def _split(text: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text; one beyond the limit is cut there."""
    start: list[bytes] = []
    for chunk in text:
        first, *others = chunk.split(b"\n")
        start.append(first)
        if others or sum(map(len, start)) > _LINE_BYTES:
            yield b"".join(start)
            yield from others[:-1]
            start = others[-1:]
    yield b"".join(start)


Row = dict[str, Any]
"""A row's values by key: bytes are JSON text, as numbers are; other types are Python's."""

_DECODER = json.JSONDecoder(
    parse_int=str.encode,
    parse_float=str.encode,
    parse_constant=str.encode,
    # Lists of pairs show a key that stands twice, and as tuples they are told from JSON's own.
    object_pairs_hook=tuple,
)
_ABSENT = object()
_WORDS = {True: "true", False: "false", None: "null"}


class Malformed(Exception):
    """A line is not an object that can be a row."""


def parse(line: bytes) -> Row:
    """The object on a line; raises Malformed."""
    try:
        pairs = _DECODER.decode(line.decode())
        if not isinstance(pairs, tuple):
            raise Malformed("not a JSON object")
        row = dict(pairs)
        if len(row) < len(pairs):
            ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
            raise Malformed(f"the key {twice!r} stands more than once")
        if b"\\" in line or b"[" in line or line.find(b"{", 1) > 0:
            "".join(row).encode()
            row = {key: _text(value).encode() for key, value in row.items()}
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at column {error.colno}") from error
    except UnicodeEncodeError as error:
        raise Malformed("an escape (\\ud800, say) stands for half a character") from error
    except RecursionError as error:
        raise Malformed("nested too deeply") from error
    return row


def as_column(rows: Sequence[Row], key: str) -> pa.Array:
    """The JSON text of the rows' values for a key, a null where a row lacks it."""
    cells = [row.get(key, _ABSENT) for row in rows]
    if set(map(type, cells)) != {bytes}:  # most columns are numbers, and ready
        cells = [None if cell is _ABSENT else _text(cell) for cell in cells]
    return pa.array(cells, pa.string())


def _text(value: object) -> str:
    return _TEXTS[type(value)](value)


def _member(pair: tuple[str, object]) -> str:
    key, value = pair
    return f"{quoted(key)}: {_text(value)}"


_TEXTS: dict[type, Callable[[Any], str]] = {
    bytes: bytes.decode,
    str: quoted,
    bool: _WORDS.__getitem__,
    type(None): _WORDS.__getitem__,
    list: lambda values: f"[{', '.join(map(_text, values))}]",
    tuple: lambda pairs: f"{{{', '.join(map(_member, pairs))}}}",
}
