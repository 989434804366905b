"""Finds the lines of one shape: the same keys in the same order and spacing, no nested values.

Most lines of most files have one shape. They are checked together and to the last byte: a byte is
part of the text around the values, which is compared, or part of a value.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from worker.formats.json_lines.escapes import Texts, replace_texts, unescape
from worker.formats.json_lines.lines import LineBlock, Places
from worker.formats.json_lines.plain_values import are_plain, sum_weights, to_columns

_WORD = 8
_CLOSING = ord("}")
_LONGEST_BEFORE = 1024
_ANY_SEPARATOR = b',"'
_MEMBER = re.compile(
    rb'(?P<separator>,[ \t]*")?'
    rb'(?P<before>(?(separator)|\{[ \t]*")(?P<key>[^"\\\x00-\x1f]*)"[ \t]*:[ \t]*)'
    rb'(?:"(?:[^"\\]|\\.)*"|[^"\\,{}\[\]\s]+)'
)


class IndexedBlock:
    """A block of lines, and what the search for each shape needs to know of it."""

    def __init__(self, block: LineBlock) -> None:
        self.block = block
        self._separators: dict[bytes, Separators] = {}

    @cached_property
    def weights(self) -> npt.NDArray[np.uint32]:
        """The weights of the bytes, for the check of values."""
        return sum_weights(self.block)

    def separators(self, text: bytes) -> "Separators":
        """Return where a text stands that may separate the members of an object."""
        if text not in self._separators:
            self._separators[text] = Separators(self.block, text)
        return self._separators[text]

    def has(self, text: "Words", places: Places) -> npt.NDArray[np.bool_]:
        """Return for each row of places whether each text stands at its place."""
        last = len(self.block.words) - 1
        found = np.ones(len(places), np.bool_)
        for number, (words, mask) in enumerate(zip(text.words, text.masks, strict=True)):
            at = self.block.words[np.minimum(places + number * _WORD, last)]
            found &= ((at & mask) == words).all(axis=1)
        return found


class Separators:
    """Where one separator stands in a block."""

    def __init__(self, block: LineBlock, text: bytes) -> None:
        data, width = block.bytes, len(block.bytes) - len(text)
        found = data[:width] == text[0]
        for place, byte in enumerate(text[1:], 1):
            found &= data[place : place + width] == byte
        self._places = np.flatnonzero(found)
        self._first = np.searchsorted(self._places, block.starts)
        self.counts = np.searchsorted(self._places, block.ends) - self._first
        """How many of them each line has."""

    def of(self, lines: Places, count: int) -> Places:
        """Return the places on lines that have this count of them, a row for each line."""
        places: Places = self._places[self._first[lines][:, None] + np.arange(count)]
        return places


class Words:
    """Several texts in words of eight bytes: all their first words, then all their second ones."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        size = -(-max(map(len, texts)) // _WORD) * _WORD
        padded = b"".join(text.ljust(size, b"\0") for text in texts)
        data = np.frombuffer(padded, np.uint8).reshape(len(texts), size)
        mask = np.where(data > 0, np.uint8(255), np.uint8(0))  # no text has a zero byte
        self.words, self.masks = data.view("<u8").T, mask.view("<u8").T


class LineShape:
    """The keys of an object, and the text around its values."""

    def __init__(self, before: tuple[bytes, ...], separator: bytes, keys: tuple[str, ...]) -> None:
        self.before = before
        """The text before each value, and behind the separator."""
        self.keys = keys
        self.places = {key: place for place, key in enumerate(keys)}
        self._separator = separator
        self._words = Words(before)
        self._sizes = np.array(list(map(len, before)))

    @classmethod
    def of(cls, line: bytes) -> Self | None:
        """Return the shape of a line; None if its values are not plain, or it is malformed."""
        members: list[re.Match[bytes]] = []
        end = 0
        while member := _MEMBER.match(line, end):
            members.append(member)
            end = member.end()
        keys = tuple(member["key"].decode() for member in members)
        first, *others = [member["separator"] for member in members] or [b""]
        is_object = first is None and None not in others and line[end:] == b"}"
        before = tuple(member["before"] for member in members)
        if not is_object or len(set(others)) > 1 or len(set(keys)) < len(keys):
            return None
        if max(map(len, before)) > _LONGEST_BEFORE:
            return None
        return cls(before, others[0] if others else _ANY_SEPARATOR, keys)

    def find(self, indexed: IndexedBlock, lines: Places) -> "Matches":
        """Return which of the lines have this shape, and their values."""
        block = indexed.block
        separators = indexed.separators(self._separator)
        count = len(self.keys) - 1
        lines = lines[separators.counts[lines] == count]
        places = separators.of(lines, count)
        before = np.column_stack((block.starts[lines], places + len(self._separator)))
        fits = indexed.has(self._words, before) & (block.bytes[block.ends[lines] - 1] == _CLOSING)
        if not fits.all():
            lines, places, before = lines[fits], places[fits], before[fits]
        starts = before + self._sizes
        ends = np.column_stack((places, block.ends[lines] - 1))
        plain = are_plain(block, indexed.weights, starts, ends)
        unescaped = unescape(block, starts, ends, lines, plain)
        if not (fits := plain.all(axis=1)).all():
            lines, starts, ends = lines[fits], starts[fits], ends[fits]
        return Matches(self, block, lines, starts, ends, unescaped)


@dataclass(frozen=True, slots=True)
class Matches:
    """Lines of one shape, and from where to where their values are: a row for each line."""

    shape: LineShape
    block: LineBlock
    lines: Places
    starts: Places
    ends: Places
    unescaped: Mapping[int, Texts]
    """The values whose text in the file is not their JSON text, by their place in the shape."""

    def columns(self, names: Sequence[str]) -> list[pa.Array]:
        """Return the JSON text of the keys' values; null for a key that the shape lacks."""
        places = sorted(self.shape.places[name] for name in names if name in self.shape.places)
        arrays = to_columns(self.block, self.starts[:, places], self.ends[:, places])
        found = {
            place: replace_texts(array, self.lines, self.unescaped[place])
            if place in self.unescaped
            else array
            for place, array in zip(places, arrays, strict=True)
        }
        absent = pa.nulls(len(self.lines), pa.string())
        return [found.get(self.shape.places.get(name, -1), absent) for name in names]
