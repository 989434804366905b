import json
import math
from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import cut, evenly_long, examples, sizes
from worker.errors import SchemaMismatch, Unparsable
from worker.formats.base import RejectedRow
from worker.formats.features import FeatureConverter
from worker.formats.json_lines.cells import holds_json, json_to_text
from worker.formats.json_lines.reader import JsonLinesReader
from worker.formats.json_lines.writer import JsonLinesWriter
from worker.formats.model_inputs import Feature, ModelInputs

ANY = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=True)
NUMBERS = ModelInputs(names=None, count=None, numbers_only=True, takes_missing=True)


def reader_of(
    *chunks: bytes, keeps_all: bool = False, held: list[int] | None = None
) -> JsonLinesReader:
    hold = list[int]() if held is None else held
    return JsonLinesReader.open(chunks, keeps_all=keeps_all, hold=hold.append)


def read(body: bytes) -> list[dict[str, str | None]]:
    reader = reader_of(body)
    rows: list[dict[str, str | None]] = pa.concat_tables(
        reader.batches(reader.names, 1000)
    ).to_pylist()
    return rows


def cell(text: str) -> str | None:
    (row,) = read(b'{"x": ' + text.encode() + b"}")
    return row["x"]


def rejected(body: bytes) -> list[RejectedRow]:
    reader = reader_of(b'{"x": 0}\n' + body)
    return [reject for _ in reader.batches(("x",), 1000) for reject in reader.rejected_rows({})]


def column(*cells: str | None) -> pa.Table:
    """Return a column `x` of JSON text; the key is absent if a cell is None."""
    lines = ["{}" if text is None else f'{{"x": {text}}}' for text in cells]
    (table,) = reader_of("\n".join(['{"x": 0}', *lines]).encode()).batches(("x",), 1000)
    return table.slice(1)


def features(inputs: ModelInputs, *cells: str | None) -> tuple[list[object], dict[int, str]]:
    feature = Feature("x", "x", inputs.spec(0, "x"))
    return convert(FeatureConverter([feature], inputs, cells="json"), *cells)


def convert(converter: FeatureConverter, *cells: str | None) -> tuple[list[object], dict[int, str]]:
    """Convert a batch; return the values of its column x, None for missing, and its bad rows."""
    table = column(*cells)
    converter.add(table)
    frame, bad = converter.to_frame(table)
    missing = frame["x"].isna()
    return [None if gap else cell for cell, gap in zip(frame["x"], missing, strict=True)], bad


def written(*tables: pa.Table) -> str:
    writer = JsonLinesWriter()
    return b"".join([*map(writer.write, tables), writer.finish()]).decode()


@pytest.mark.parametrize(
    "number",
    ["0", "-0", "1.10", "1e5", "1E+05", "12345678901234567890123", "-0.0", "NaN", "-Infinity"],
)
def test_numbers_are_the_text_that_came(number: str) -> None:
    assert cell(number) == number


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('"007"', '"007"'),
        ('""', '""'),
        ('" NA "', '" NA "'),
        ('"\\u00e9 \\/ \\n \\u0000"', '"é / \\n \\u0000"'),
        ('"\\ud83d\\ude00"', '"😀"'),
        ("true", "true"),
        ("null", "null"),
        ("[]", "[]"),
        ("{}", "{}"),
        ('[1.10,{"a":null,"b":[true,"\\""]}]', '[1.10, {"a": null, "b": [true, "\\""]}]'),
    ],
)
def test_other_values_are_json_text_with_the_same_value(text: str, kept: str) -> None:
    assert cell(text) == kept


def test_an_absent_key_differs_from_a_null() -> None:
    assert read(b'{"a": null}\n{"b": 1}\n{}') == [
        {"a": "null", "b": None},
        {"a": None, "b": "1"},
        {"a": None, "b": None},
    ]


def test_the_names_are_the_keys_in_the_order_in_which_they_come_up() -> None:
    assert reader_of(b'{"b": 1}\n{"a": 1, "b": 2, "\xc3\xa9": 3}').names == ("b", "a", "é")


def test_columns_come_in_the_order_asked_for_and_are_marked_as_json() -> None:
    (table,) = reader_of(b'{"a": 1, "b": 2, "c": 3}').batches(("c", "a"), 10)
    kept = table.filter(pa.array([True])).select(["a"]).slice(0, 1)
    assert table.to_pylist() == [{"c": "3", "a": "1"}]
    assert all(map(holds_json, kept.schema))


def test_lines_end_in_lf_or_crlf_and_the_last_needs_no_end() -> None:
    assert read(b'{"a": 1}\r\n{"a": 2}\n{"a": 3}') == [{"a": "1"}, {"a": "2"}, {"a": "3"}]


def test_blank_lines_are_no_rows() -> None:
    assert read(b'\n \t\r\n{"a": 1}\n\n\r\n') == [{"a": "1"}]


@pytest.mark.parametrize("body", [b"", b"\n\n", b" \r\n"])
def test_a_file_without_rows_is_refused(body: bytes) -> None:
    with pytest.raises(Unparsable, match="the file is empty"):
        reader_of(body)


def test_a_file_that_spreads_an_object_over_lines_is_refused() -> None:
    with pytest.raises(Unparsable, match=r"no line is a JSON object.*line 1: not JSON"):
        reader_of(b'{\n  "a": 1\n}\n')


def test_tables_have_the_rows_asked_for() -> None:
    reader = reader_of(b'{"a": 1}\n' * 2050)
    assert [table.num_rows for table in reader.batches(("a",), 1000)] == [1000, 1000, 50]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"x": 007}', "not JSON: Expecting ',' delimiter at column 8"),
        (b'{"x": 1} {"x": 2}', "not JSON: Extra data at column 10"),
        (b'{"x": 1', "not JSON: Expecting ',' delimiter at column 8"),
        (b'{"x": "a\tb"}', "not JSON: Invalid control character at at column 9"),
        (b'{"x": 1, "y": 2, "x": 3}', "the key 'x' stands more than once"),
        (b'{"x": "\\ud800"}', "an escape (\\ud800, say) stands for half a character"),
        (b'{"\\udc00": 1}', "an escape (\\ud800, say) stands for half a character"),
        (b'{"x": ' + b"[" * 700 + b"]" * 700 + b"}", "nested too deeply"),
        (b'{"x":' * 700 + b"1" + b"}" * 700, "nested too deeply"),
        (b'{"x": ' + b"[" * 10**5, "nested too deeply"),
    ],
)
def test_a_line_that_is_no_object_is_rejected_with_the_reason(line: bytes, reason: str) -> None:
    assert rejected(line) == [RejectedRow(2, reason, line.decode())]


def test_rejected_rows_are_those_of_the_batch_in_the_order_of_the_file() -> None:
    reader = reader_of(b'{"a": 1}\r\n\n?\n{"a": 2}\n{"a": 3}\n!\n {"a":4}')
    rejects, left_out = [], []
    for _ in reader.batches(("a",), 2):
        rejects.append(list(reader.rejected_rows({1: "bad", 0: "worse"})))
        left_out.append(reader.malformed_count())
    what = "not JSON: Expecting value at column 1"
    assert rejects == [
        [
            RejectedRow(1, "worse", '{"a": 1}'),
            RejectedRow(3, what, "?"),
            RejectedRow(4, "bad", '{"a": 2}'),
        ],
        [
            RejectedRow(5, "worse", '{"a": 3}'),
            RejectedRow(6, what, "!"),
            RejectedRow(7, "bad", ' {"a":4}'),
        ],
    ]
    assert left_out == [1, 2]


def test_malformed_lines_after_the_last_row_are_reported_too() -> None:
    reader = reader_of(b'{"a": 1}\n?\n')
    sizes = [
        (table.num_rows, list(reader.rejected_rows({}))) for table in reader.batches(("a",), 1)
    ]
    assert [size for size, _ in sizes] == [1, 0]
    assert [len(rejects) for _, rejects in sizes] == [0, 1]


def test_many_malformed_lines_end_a_batch_before_they_fill_the_memory() -> None:
    reader = reader_of(b'{"a": 1}\n' + b"?\n" * 25 + b'{"a": 2}\n')
    sizes = [
        (table.num_rows, len(list(reader.rejected_rows({}))))
        for table in reader.batches(("a",), 10)
    ]
    assert sizes == [(1, 10), (0, 10), (1, 5)]


def test_hold_is_called_with_the_bytes_of_the_batch_under_way() -> None:
    held: list[int] = []
    reader = reader_of(b'{"a": 1}\n?\n' * 10_000, held=held)
    assert max(held) == 5000 * 9
    held.clear()
    for table in reader.batches(("a",), 100):
        assert 8 * table.num_rows <= held[-1] == max(held) <= 900
        held.clear()


def test_a_line_beyond_the_limit_is_refused_with_its_number() -> None:
    def text() -> Iterator[bytes]:
        yield b'{"a": 1}\n\n{"a": "'
        yield from [b"x" * 2**20] * 17
        raise AssertionError("it is refused before it is read whole")

    with pytest.raises(Unparsable, match="line 3 is longer than 16 MiB"):
        JsonLinesReader.open(text(), keeps_all=False, hold=list[int]().append)


def test_a_key_that_comes_up_later_is_ignored() -> None:
    reader = reader_of(b'{"a": 1}\n' * 10_000 + b'{"a": 2, "b": 3}\n')
    assert reader.names == ("a",)
    assert sum(table.num_rows for table in reader.batches(("a",), 10_000)) == 10_001


def test_where_all_columns_are_kept_a_row_with_a_later_key_is_bad_rather_than_cut() -> None:
    reader = reader_of(b'{"a": 1}\n' * 10_000 + b'{"a": 2, "b": 3}\n', keeps_all=True)
    rejects = [
        reject for _ in reader.batches(("a",), 10_000) for reject in reader.rejected_rows({})
    ]
    assert [(reject.line, reject.row) for reject in rejects] == [(10_001, '{"a": 2, "b": 3}')]
    assert "the key 'b' comes up after the first 10,000 rows" in rejects[0].reason
    assert "WORKER_KEEP_COLUMNS" in rejects[0].reason


LEAVES = ["1.10", "-0", "1e5", str(10**20), "true", "null", '""', '"007"', '"\u2028é"']
MALFORMED = ["", " ", "?", "[]", '{"a": 1, "a": 2}', '{"a": "\\ud800"}']


Texts = st.SearchStrategy[str]


def objects(keys: tuple[str, ...], values: Texts) -> Texts:
    """Objects that have some of these keys, in this order."""

    def written(members: tuple[str | None, ...]) -> str:
        pairs = zip(keys, members, strict=True)
        return ", ".join(f'"{key}": {value}' for key, value in pairs if value is not None)

    some = st.tuples(*(st.none() | values for _ in keys))
    return some.map(written).map(lambda text: f"{{{text}}}")


def nested(values: Texts) -> Texts:
    """Values, and arrays and objects of up to three of them."""
    arrays = st.lists(values, max_size=3).map(lambda inner: f"[{', '.join(inner)}]")
    return values | arrays | objects(("k", "l", "m"), values)


KEYS = ("a", "b", "long key é")
VALUES = nested(nested(st.sampled_from(LEAVES)))


def file_lines(objects: list[str], malformed: dict[int, str]) -> list[str]:
    """A file's lines: its objects, with a malformed line in place of some."""
    rows = [malformed.get(place, row) for place, row in enumerate(objects)]
    return ['{"a": 1, "b": 2, "long key é": 3}', *rows]


FILES = st.builds(
    file_lines,
    evenly_long(objects(KEYS, VALUES), 0, 100),
    st.dictionaries(st.integers(0, 99), st.sampled_from(MALFORMED)),
)


@examples(0.2)
@given(
    lines=FILES,
    end=st.sampled_from(["\n", "\r\n"]),
    cuts=st.tuples(sizes(0, 1), sizes(0, 7), sizes(0, 300), sizes(0, 10_000)),
)
def test_any_chunks_give_the_same_tables_and_rejects(
    lines: list[str], end: str, cuts: tuple[list[int], ...]
) -> None:
    body = end.join(lines).encode()
    outcomes = []
    for pieces in cuts:
        reader = reader_of(*cut(body, pieces))
        outcome = []
        for table in reader.batches(reader.names, 7):
            bad = {row: "bad" for row in range(table.num_rows) if row % 3 == 0}
            outcome.append(
                (table.to_pylist(), list(reader.rejected_rows(bad)), reader.malformed_count())
            )
        outcomes.append(outcome)
    assert all(outcome == outcomes[0] for outcome in outcomes)


@examples(0.2)
@given(FILES)
def test_kept_columns_leave_literally_as_they_came(lines: list[str]) -> None:
    body = "\n".join(lines) + "\n"
    reader = reader_of(body.encode())
    writer = reader.writer()
    output, rejects = [], []
    for table in reader.batches(reader.names, 9):
        output.append(writer.write(table))
        rejects += list(reader.rejected_rows({}))
    aside = {reject.line for reject in rejects}
    kept = [
        line
        for number, line in enumerate(body.split("\n"), 1)
        if line.strip() and number not in aside
    ]
    assert b"".join([*output, writer.finish()]).decode().split("\n")[:-1] == kept


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (("1", "-2.5", "1e5", str(10**20)), [1, -2.5, 1e5, 1e20]),
        (("1", "null", None), [1, None, None]),
        ((None, "null"), [None, None]),
        (("Infinity", "-Infinity"), [math.inf, -math.inf]),
        (("true", "false"), [True, False]),
        (("true", "null", None), [True, None, None]),
        (("1", '"1.5"'), [1, 1.5]),
        (('"007"', '"NA"', '""', "null", None), ["007", "NA", "", None, None]),
        (('"a\\"b"', "1.10", "true", '["x\\n"]'), ['a"b', 1.1, True, ["x\n"]]),
    ],
)
def test_the_type_of_a_column_follows_from_its_values(
    cells: tuple[str | None, ...], values: list[object]
) -> None:
    assert features(ANY, *cells) == (values, {})


def test_nan_is_missing_and_the_text_nan_is_not() -> None:
    assert features(ANY, "NaN", "1") == ([None, 1], {})
    assert features(ANY, "NaN", '"nan"', '"null"') == ([None, "nan", "null"], {})


def test_a_string_that_looks_like_a_number_is_one_for_a_model_of_numbers() -> None:
    assert features(NUMBERS, '"1.5"', "2", '"-1e3"') == ([1.5, 2, -1000], {})


@pytest.mark.parametrize("text", ['"NA"', '"nan"', '""', '"x"', "[1]", '"inf"'])
def test_other_strings_are_bad_rows_for_a_model_of_numbers(text: str) -> None:
    reason = f"column 'x' is {text}, not a number"
    assert features(NUMBERS, "1", text) == ([1, None], {1: reason})


def test_a_model_that_takes_nothing_missing_gets_no_null_and_no_absent_key() -> None:
    strict = ModelInputs(names=None, count=None, numbers_only=True, takes_missing=False)
    _, bad = features(strict, "1", "null", None, "NaN")
    assert set(bad) == {1, 2, 3}


def test_booleans_are_1_and_0_for_a_model_of_numbers_whatever_stands_beside_them() -> None:
    assert features(NUMBERS, "2.5", "true", "false") == ([2.5, 1, 0], {})


def test_what_does_not_fit_the_first_rows_changes_their_type() -> None:
    converter = FeatureConverter([Feature("x", "x")], ANY, cells="json")
    convert(converter, "1", "2")
    assert converter.add(column("3", '"four"', "null", "true"))


def test_a_table_without_rows_does_not_set_the_types() -> None:
    converter = FeatureConverter([Feature("x", "x")], ANY, cells="json")
    convert(converter)
    assert convert(converter, '"red"') == (["red"], {})


def test_predictions_stand_behind_kept_columns_one_object_a_line() -> None:
    (table,) = reader_of(b'{"id": 1.10, "s": "a"}\n{"s": null}\n').batches(("id", "s"), 10)
    output = table.append_column("activation", pa.array([0.25, 1.0]))
    assert written(output, output.slice(0, 0), output.slice(1)) == (
        '{"id": 1.10, "s": "a", "activation": 0.25}\n'
        '{"s": null, "activation": 1.0}\n'
        '{"s": null, "activation": 1.0}\n'
    )


def test_an_object_may_be_left_without_keys() -> None:
    (table,) = reader_of(b'{"a": 1}\n{}').batches(("a",), 10)
    assert written(table) == '{"a": 1}\n{}\n'


def test_text_of_other_formats_is_strings_and_no_text_is_null() -> None:
    table = pa.table({'k"': ["007", "", None, "1e5", 'say "é"\n\u2028']})
    assert written(table).split("\n") == [
        '{"k\\"": "007"}',
        '{"k\\"": ""}',
        '{"k\\"": null}',
        '{"k\\"": "1e5"}',
        '{"k\\"": "say \\"é\\"\\n\u2028"}',
        "",
    ]


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (pa.array([1, None, 2**63], pa.uint64()), "1 null 9223372036854775808"),
        (pa.array([True, None]), "true null"),
        (pa.array([0.1, None, 1e22, -0.0]), "0.1 null 1e+22 -0.0"),
        (pa.array([0.1], pa.float32()), "0.1"),
        (pa.array([math.inf, -math.inf, math.nan]), "Infinity -Infinity NaN"),
        (pa.array([Decimal("1.10")]), "1.10"),
        (pa.array([date(2024, 2, 29)]), '"2024-02-29"'),
        (pa.array([time(1, 2, 3)]), '"01:02:03.000000"'),
        (pa.array([0], pa.timestamp("s")), '"1970-01-01T00:00:00"'),
        (pa.array([0], pa.timestamp("s", "Asia/Tokyo")), '"1970-01-01T00:00:00Z"'),
        (pa.array(["a", None]).dictionary_encode(), '"a" null'),
        (pa.array(["a"], pa.large_string()), '"a"'),
        (pa.nulls(1), "null"),
        (pa.array([[1, None], None]), "[1,null] null"),
        (pa.array([{"a": date(2024, 2, 29), "b": "é"}]), '{"a":"2024-02-29","b":"é"}'),
    ],
)
def test_values_with_types_are_the_json_nearest_to_them(values: pa.Array, cells: str) -> None:
    rows = written(pa.table({"x": values})).splitlines()
    assert [row.replace(", ", ",").replace('": ', '":') for row in rows] == [
        f'{{"x":{text}}}' for text in cells.split()
    ]
    assert all("x" in json.loads(row) for row in rows)


@pytest.mark.parametrize(
    "values", [pa.array([b"x"]), pa.array([[b"x"]]), pa.array([1], pa.duration("s"))]
)
def test_a_column_that_json_cannot_hold_is_refused(values: pa.Array) -> None:
    with pytest.raises(SchemaMismatch, match=r"'x' is of type .*WORKER_KEEP_COLUMNS"):
        written(pa.table({"x": values}))


def test_for_formats_without_json_it_is_text_with_its_numbers_as_they_came() -> None:
    table = column("1.10", '"a\\"b"', "null", None, '{"k": [1e5]}', '"007"', "true")
    plain = json_to_text(table.append_column("p", pa.array([0.5] * 7)))
    assert not any(map(holds_json, plain.schema))
    assert plain["x"].to_pylist() == ["1.10", 'a"b', None, None, '{"k": [1e5]}', "007", "true"]
