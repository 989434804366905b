"""Text to its lines, numbered as in the file."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

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
