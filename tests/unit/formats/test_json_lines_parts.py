"""The parts of a JSON Lines file have its lines, each of them once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fakes.input_reader import MemoryInput
from tests.support.strategies import evenly_long, examples, sizes
from worker.errors import Unparsable
from worker.formats.json_lines.keys import FileKeys
from worker.formats.json_lines.parts import JsonLinesParts
from worker.formats.json_lines.reader import JsonLinesReader
from worker.interfaces import Position, ScoreOptions

Lines = list[tuple[int, str]]


def parts_of(body: bytes, part_bytes: int) -> JsonLinesParts:
    starts = range(0, len(body), part_bytes)
    return JsonLinesParts(Position(0, 1), starts, len(body), FileKeys(("a",), ("a",)))


def lines_of(reader: JsonLinesReader) -> Lines:
    """Return the lines, none of which is an object."""
    return [
        (row.line, row.row) for _ in reader.batches(["a"], 3) for row in reader.rejected_rows({})
    ]


BODIES = evenly_long(st.sampled_from(["\n", "\n", "\r\n", "x", "é", " ", "long"]), 1, 30)


@examples(3)
@given(BODIES.map("".join), st.integers(1, 20), sizes(1, 7), st.booleans())
def test_each_line_is_in_the_part_in_which_it_begins(
    text: str, part_bytes: int, pieces: list[int], guesses: bool
) -> None:
    body = text.encode()
    parts = parts_of(body, part_bytes)
    found: Lines = []
    chain = parts.begin
    for number, start in enumerate(parts.starts):
        if chain.offset >= min(start + part_bytes, len(body)):  # a line ends behind the part
            continue
        file = MemoryInput(body, first=min(3, len(body)), pieces=pieces)
        begin = None if guesses and number else chain
        reader = parts.open_part(file, ScoreOptions(), number, begin)
        base = chain.line - reader.begin.line
        assert reader.begin.offset == chain.offset
        found += [(base + line, row) for line, row in lines_of(reader)]
        chain = Position(reader.end.offset, base + reader.end.line)
    lines = enumerate(text.split("\n"), 1)
    assert chain.offset == len(body)
    assert found == [(line, row.removesuffix("\r")) for line, row in lines if row.strip()]


def test_a_part_within_one_line_has_no_line() -> None:
    parts = parts_of(b"x" * 30 + b"\n", 10)
    reader = parts.open_part(MemoryInput(b"x" * 30 + b"\n"), ScoreOptions(), 1, None)
    assert [table.num_rows for table in reader.batches(["a"], 3)] == [0]
    assert reader.begin == reader.end == Position(20, 0)


def test_what_is_no_utf8_is_named_with_its_position_in_the_file() -> None:
    body = b'{"a": 1}\n{"a": "\xff"}\n'
    reader = parts_of(body, 10).open_part(MemoryInput(body), ScoreOptions(), 0, Position(9, 2))
    with pytest.raises(Unparsable, match=r"byte 16 \(0xff\) is not utf-8"):
        next(reader.batches(["a"], 3))
