"""Lines that are read together are read as each of them alone."""

import json
from itertools import cycle, islice

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import evenly_long, examples
from worker.formats.base import RejectedRow
from worker.formats.json_lines.lines import LineSplitter
from worker.formats.json_lines.parsed_blocks import BlockParser, ParsedBlock
from worker.formats.json_lines.reader import JsonLinesReader
from worker.formats.json_lines.rows import MalformedLine, parse_row, to_column

Cells = dict[str, str | None]

SPOILERS = ['"', "\\", ",", ', "', ":", "{", "}", "[", " ", "\t", "\x00", "0", "1", ".", "-", "+"]
SPOILERS += ["e", "é", "\x7f", "\u2028", "NaN", "true", '", "b": "']


def parsed(lines: list[str]) -> ParsedBlock:
    (block,) = LineSplitter(1).split(["".join(line + "\n" for line in lines).encode()])
    return BlockParser().parse(block, lambda _: None)


def names_of(lines: list[str]) -> list[str]:
    return list(parse_row(lines[0].encode()))


def read(lines: list[str], block_bytes: int = 2**20) -> tuple[list[Cells], list[RejectedRow]]:
    """Return the rows and the malformed lines of a file: the columns of its first line."""
    reader = JsonLinesReader.open(
        ["\n".join(lines).encode()],
        keeps_all=False,
        hold=lambda _: None,
        block_bytes=block_bytes,
    )
    rows: list[Cells] = []
    rejected: list[RejectedRow] = []
    for table in reader.batches(names_of(lines), 7):
        table.validate(full=True)
        rows += table.to_pylist()
        rejected += reader.rejected_rows({})
    return rows, rejected


def read_alone(lines: list[str]) -> tuple[list[Cells], list[RejectedRow]]:
    """Return the same, with each line parsed alone."""
    names = names_of(lines)
    rows: list[Cells] = []
    rejected: list[RejectedRow] = []
    for number, line in enumerate(lines, 1):
        try:
            row = parse_row(line.encode())
        except MalformedLine as error:
            if line.strip():
                rejected.append(RejectedRow(number, str(error), line))
            continue
        rows.append({name: to_column([row], name)[0].as_py() for name in names})
    return rows, rejected


def edits(line: str) -> list[str]:
    """Return the line with one character left out, replaced or put in, in every way."""
    places = range(len(line))
    shorter = [line[:place] + line[place + 1 :] for place in places]
    replaced = [line[:at] + text + line[at + 1 :] for at in places for text in SPOILERS]
    longer = [line[:at] + text + line[at:] for at in [*places, len(line)] for text in SPOILERS]
    return shorter + replaced + longer


@pytest.mark.parametrize(
    "line",
    [
        '{"a": -10.5, "b": "x y", "c": true}',
        '{"a":0,"b":"é, ","c":null}',
        '{"long key": 0.25,  "b": "",  "c": -7}',
        '{"a" : 1e5}',
    ],
)
def test_one_wrong_character_anywhere_is_found(line: str) -> None:
    lines = [line] * 9 + edits(line)
    assert read(lines) == read_alone(lines)


VALUES = st.sampled_from(
    [
        *("0", "-0", "7", "-1.50", "12345678901234567890123", "1e5", "-2E+05", "9" * 1030),
        *("true", "false", "null", "NaN", "Infinity", "-Infinity", '""', '"007"', '"a b"'),
        *('"é\u2028\x7f"', '", "', '"x,"', '"{"', '"' + "long 1.5 " * 150 + '"', '"\\u00e9\\n"'),
        *(
            '"\\ud83d\\ude00"',
            '"\\ud800"',
            '"\x00"\x00',
            '"say \\", \\"hi\\""',
            '"\\\\"',
            '"\\/ \\u0031"',
            '"\\"',
        ),
        *("[1, 2]", '{"k": "v"}'),
        # None of these is JSON.
        *("", "-", "+1", "01", "-00", "1.", ".5", "1.2.3", "1e", "1e5.0", "0x1", "1 ", "inf"),
        *(
            "True",
            "nulL",
            "falsy",
            "nan",
            "-NaN",
            '"',
            '"""',
            "'x'",
            '"\t"',
            '"\\x"',
            "1" * 70 + "-",
        ),
    ]
)
SHAPES = st.sampled_from(
    [
        '{{"a": {}, "b": {}, "key three": {}}}',
        '{{"a":{},"b":{},"key three":{}}}',
        '{{"b": {}, "a": {}, "key three": {}}}',
        '{{"a": {}, "b": {}}}',
        '{{"a": {}, "a": {}, "b": {}}}',
        ' {{"a": {}, "b": {}, "key three": {}}} ',
        '{{"key three": {}}}',
    ]
)


Spoilt = dict[int, tuple[int, str]]


def some_lines(shapes: list[str], values: list[str], count: int, spoilt: Spoilt) -> list[str]:
    """Return lines of the shapes, in turn, with values, in turn; some with a wrong character."""
    cells = cycle(values)
    lines = ['{"a": 1, "b": 2, "key three": 3}']
    for number, shape in enumerate(islice(cycle(shapes), count)):
        line = shape.format(*islice(cells, shape.count("{}")))
        place, text = spoilt.get(number, (0, line[0]))
        lines.append(line[:place] + text + line[place + 1 :])
    return lines


@examples(1)
@given(
    lines=st.builds(
        some_lines,
        st.lists(SHAPES, min_size=1, max_size=3),
        evenly_long(VALUES, 1, 40),
        st.integers(1, 60),
        st.dictionaries(
            st.integers(0, 59), st.tuples(st.integers(0, 40), st.sampled_from(["", *SPOILERS]))
        ),
    ),
    end=st.sampled_from(["", "\r"]),
    block_bytes=st.sampled_from([1, 100, 700, 2**20]),
)
def test_lines_of_any_shapes_are_read_as_each_alone(
    lines: list[str], end: str, block_bytes: int
) -> None:
    assert read([line + end for line in lines], block_bytes) == read_alone(lines)


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":"), (",  ", " : ")])
def test_lines_with_the_same_keys_and_plain_values_are_parsed_together(
    separators: tuple[str, str],
) -> None:
    values = [0, -1.5, 10**30, True, None, "", "a, b", "é", "x" * 5000, float("nan"), 1e-7]
    rows = [{"id": number, "value": value} for value in values for number in range(10)]
    found = parsed([json.dumps(row, ensure_ascii=False, separators=separators) for row in rows])
    assert [len(match.lines) for match in found.matches] == [len(rows)]
    assert not found.others


def test_lines_with_escapes_in_strings_are_parsed_together() -> None:
    names = ["plain", "é", 'say "hi"', "two\nlines", "C:\\", "😀", "http:\\/\\/x"]
    lines = [json.dumps({"id": n, "name": name}) for name in names for n in range(9)]
    found = parsed(lines)
    assert not found.others
    table = found.to_table(pa.schema([("name", pa.string())]))
    assert [json.loads(cell) for cell in table["name"].to_pylist()] == [
        name for name in names for _ in range(9)
    ]


def test_lines_of_several_shapes_are_parsed_together_and_keep_their_order() -> None:
    rows = [
        {"id": n} | ({"a": n} if n % 2 else {}) | ({"b": n} if n % 3 else {}) for n in range(60)
    ]
    found = parsed([json.dumps(row) for row in rows])
    assert len(found.matches) == 4
    assert not found.others
    table = found.to_table(pa.schema([("b", pa.string()), ("id", pa.string())]))
    assert table["id"].to_pylist() == [str(n) for n in range(60)]
    assert table["b"].to_pylist() == [str(n) if n % 3 else None for n in range(60)]


def test_shapes_that_come_up_later_are_learned() -> None:
    lines = [json.dumps({f"k{number // 20}": number}) for number in range(20 * 30)]
    parser = BlockParser()
    blocks = list(LineSplitter(1, 100).split(["\n".join(lines).encode()]))
    others = sum(len(parser.parse(block, lambda _: None).others) for block in blocks)
    assert len(blocks) > 50
    assert others < len(lines) / 2
