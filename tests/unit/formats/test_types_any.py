"""Any file, any cuts: where nothing is said of a column, it is as pandas reads the whole file."""

import datetime as dt
import decimal
import io
import math
import warnings
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.support.fakes.input_reader import MemoryInput
from tests.support.strategies import evenly_long, examples, sizes
from worker.errors import NeedsTypes
from worker.formats import FeatureConverter, ModelInputs, open_reader, select_columns
from worker.interfaces import ScoreOptions

NOTHING_SAID = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=True)


def attempt(body: bytes, rows: int, pieces: Sequence[int], found: str | None) -> pd.DataFrame:
    """Read and convert a file as `scoring.score` does, in batches of that many rows."""
    reader, _ = open_reader(MemoryInput(body, first=4, pieces=pieces), ScoreOptions())
    selection = select_columns(reader.names, NOTHING_SAID, None, cells=reader.cells)
    converter = FeatureConverter(
        selection.features, NOTHING_SAID, cells=reader.cells, found_types=found
    )
    batches = reader.batches(selection.columns, rows)
    frames = []
    for batch in batches:
        if converter.add(batch):
            converter.settle_types(batches, needs_rest=True)
        frame, bad = converter.to_frame(batch)
        assert not bad
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def read(body: bytes, rows: int, pieces: Sequence[int]) -> pd.DataFrame:
    """Read a file, once more if the types of its first rows do not fit the later ones."""
    try:
        return attempt(body, rows, pieces, None)
    except NeedsTypes as needs:
        return attempt(body, rows, pieces, str(needs))


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Compare values, types, and the Python type of each object."""
    pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=0)
    for name in wanted:
        assert [repr(cell) for cell in found[name]] == [repr(cell) for cell in wanted[name]]


SMALL = st.sampled_from(["0", "1", "-7", "007", "+3", "9007199254740993", "-0", " 4", "5 "])
EDGES = st.sampled_from(
    [str(bound + step) for bound in (-(2**63), 2**63, 2**64) for step in (-1, 0)] + ["-1", "-1.5"]
)
ENDLESS = st.sampled_from(["9" * 4300, "9" * 4301, "-" + "9" * 4300, "-" + "9" * 4301])
FRACTIONS = st.sampled_from(["1.5", "-2.0", "1e5", ".5", "5.", "inf", "-Infinity", "1e400", "0.1"])
BOOLEANS = st.sampled_from(["True", "FALSE", "false", "true"])
MISSING = st.sampled_from(["", "NA", "nan", "None", "-NaN", "#N/A"])
WORDS = st.sampled_from(["a", "NAN", "0x10", "1 000", "t", "Yes", " ", "x y", "é", "1e", "+nan"])
CSV_KINDS = [SMALL, EDGES, ENDLESS, FRACTIONS, BOOLEANS, MISSING, WORDS]


def columns(kinds: Sequence[st.SearchStrategy[str]]) -> st.SearchStrategy[list[str]]:
    """Cells of a few kinds; often of one kind, with another one somewhere."""
    some = st.lists(st.sampled_from(kinds), min_size=1, max_size=3)
    return some.flatmap(lambda chosen: evenly_long(st.one_of(chosen), 1, 12))


@examples(2)
@given(columns(CSV_KINDS), st.integers(1, 13), sizes(1, 40))
def test_a_csv_is_typed_as_pandas_reads_the_whole_file(
    cells: list[str], rows: int, pieces: list[int]
) -> None:
    body = "".join(["k,x\n", *(f"k,{cell}\n" for cell in cells)]).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = pd.read_csv(io.BytesIO(body), low_memory=False, float_precision="round_trip")
    assert_same(read(body, rows, pieces), wanted[["x"]])


JSON_KINDS = [
    st.sampled_from(["0", "1", "-7", "9007199254740993", "-0"]),
    st.sampled_from(["9223372036854775807", "9223372036854775808", "-9223372036854775808", "-1"]),
    st.sampled_from(["1.0", "-2.0", "1e5", "1e19", "-0.0"]),
    st.sampled_from(["1.5", "0.1", "1e300", "Infinity"]),
    st.sampled_from(["true", "false"]),
    st.sampled_from(["null", "NaN", "absent"]),
    st.sampled_from(['"1"', '"007"', '"9007199254740993"', '"-3"', '" 4 "']),
    st.sampled_from(['"1.0"', '"1.5"', '"1e5"', '"nan"', '"inf"', '"9223372036854775808"']),
    st.sampled_from(['"a"', '""', '"NA"', '"true"', '"\\u00e9\\""', '"null"']),
    st.sampled_from(["[1]", "[]", '{"a": 1}', '["a", [2.5]]']),
]


@examples(2)
@given(columns(JSON_KINDS), st.integers(1, 13), sizes(1, 40))
def test_json_lines_are_typed_as_pandas_reads_the_whole_file(
    cells: list[str], rows: int, pieces: list[int]
) -> None:
    lines = ['{"k": 0, "x": 1}'] if set(cells) == {"absent"} else []
    lines += ['{"k": 0}' if cell == "absent" else f'{{"k": 0, "x": {cell}}}' for cell in cells]
    body = "\n".join(lines).encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = pd.read_json(io.BytesIO(body), lines=True, convert_dates=False, precise_float=True)
    assert_same(read(body, rows, pieces), wanted[["x"]])


TYPED: dict[pa.DataType, list[object]] = {
    pa.int8(): [1, -2],
    pa.int64(): [2**53 + 1, -1],
    pa.uint64(): [2**63, 1],
    pa.float32(): [0.1, 2.0],
    pa.float64(): [0.1, float("nan")],
    pa.bool_(): [True, False],
    pa.string(): ["a", "NA", ""],
    pa.large_string(): ["a", "1"],
    pa.dictionary(pa.int32(), pa.string()): ["a", "b", "c"],
    pa.binary(): [b"a", b"\xff"],
    pa.date32(): [dt.date(2020, 1, 31), dt.date(1969, 1, 1)],
    pa.timestamp("us"): [dt.datetime(2020, 1, 31, 1, 2, 3, 4)],  # noqa: DTZ001 - of no zone
    pa.timestamp("ms", "UTC"): [dt.datetime(2020, 1, 31, tzinfo=dt.UTC)],
    pa.decimal128(9, 2): [decimal.Decimal("1.50"), decimal.Decimal(2)],
    pa.time64("us"): [dt.time(1, 2, 3)],
    pa.duration("us"): [dt.timedelta(days=1)],
    pa.null(): [None],
}


@examples(2)
@given(st.sampled_from(list(TYPED)), st.data(), st.integers(1, 13), st.integers(1, 13))
def test_parquet_is_typed_as_pandas_reads_the_whole_file(
    data_type: pa.DataType, data: st.DataObject, rows: int, group_rows: int
) -> None:
    some = st.sampled_from(TYPED[data_type])
    cells = data.draw(evenly_long(some if data.draw(st.booleans()) else some | st.none(), 1, 12))
    table = pa.table({"k": pa.nulls(len(cells), pa.int8()), "x": pa.array(cells, data_type)})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, row_group_size=group_rows)
    wanted = pd.read_parquet(io.BytesIO(buffer.getvalue()))
    assert_same(read(buffer.getvalue(), rows, [2**16]), wanted[["x"]])


@pytest.mark.parametrize("others", [(), ("null",), ("true",), ('"1"',), ("1.5", '"2"'), ('"a"',)])
@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 5000, "1" + "0" * 400 + ".5", "1e999"])
def test_a_json_number_that_pandas_refuses_is_a_float(number: str, others: tuple[str, ...]) -> None:
    lines = [f'{{"k": 0, "x": {cell}}}' for cell in (number, *others)]
    frame = read("\n".join(lines).encode(), 1, [2**16])
    assert frame["x"].dtype == (object if others == ('"a"',) else float)
    if frame["x"].dtype == float:
        assert math.isinf(frame["x"][0])
