"""Parquet: encrypted and damaged footers, columns of unknown types, codecs, what a footer says.

Arrow aborts the process at some footers. In these tests that ends pytest.
"""

import gc
import io
import sys
from collections.abc import Callable
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.support.fakes.input_reader import MemoryInput
from tests.support.parquet_footers import (
    ROW_GROUPS,
    chunk,
    chunk_metadata,
    encrypted,
    in_hadoops_lz4,
    schema,
    with_footer,
)
from tests.support.strategies import examples
from worker.errors import SchemaMismatch, Unparsable
from worker.footers import thrift
from worker.footers.thrift import Struct
from worker.formats.memory import InputMemory
from worker.formats.parquet.chunk_check import check_chunks
from worker.formats.parquet.reader import ParquetReader
from worker.interfaces import ScoreOptions

TABLE = pa.table({"id": ["a", "b"], "x": [1.0, 3.0], "odd": [[1], None], "y": [2, None]})
ID, X, ODD, Y = 0, 1, 2, 3  # places of the columns' chunks


def written(table: pa.Table = TABLE, **options: object) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def reader_of(body: bytes, first: int | None = None) -> ParquetReader:
    file = MemoryInput(body, first=first)
    return ParquetReader(file, InputMemory(file.reserve, ScoreOptions()))


def read(body: bytes, *columns: str) -> pa.Table:
    reader = reader_of(body, first=4)
    return pa.concat_tables(reader.batches(columns or reader.names, 10))


@pytest.mark.parametrize("plain_footer", [True, False])
@pytest.mark.parametrize("columns", [["x"], ["id", "x", "y"], []])
def test_a_file_with_encrypted_columns_is_refused_with_the_reason(
    *, columns: list[str], plain_footer: bool
) -> None:
    body = encrypted(TABLE.drop(["odd"]), columns, plain_footer=plain_footer)
    with pytest.raises(Unparsable, match=r"encrypted.*: write it without encryption"):
        reader_of(body)


def set_codec(footer: Struct) -> None:
    chunk_metadata(footer, X)[4] = (thrift.I32, 99)


def set_key_of_column(footer: Struct) -> None:
    path = thrift.Sequence(thrift.BINARY, [b"x"])
    key: Struct = {1: (thrift.LIST, path)}
    chunk(footer, X)[8] = (thrift.STRUCT, {2: (thrift.STRUCT, key)})


def set_histogram(footer: Struct) -> None:
    levels = thrift.Sequence(thrift.I64, [1, 1, 1, 1, 1])
    chunk_metadata(footer, X)[16] = (thrift.STRUCT, {3: (thrift.LIST, levels)})


def cut_statistics(footer: Struct) -> None:
    chunk_metadata(footer, X)[12] = (thrift.STRUCT, {5: (thrift.BINARY, b"x")})


def drop_columns_of_row_group(footer: Struct) -> None:
    chunks = footer[ROW_GROUPS][1].items[0][1][1].items
    del chunks[1:]


def drop_metadata(footer: Struct) -> None:
    del chunk(footer, X)[3]


def set_offset(footer: Struct) -> None:
    chunk_metadata(footer, X)[9] = (thrift.I64, -(2**63))


def set_size(footer: Struct) -> None:
    chunk_metadata(footer, X)[7] = (thrift.I64, 2**63 - 1)


def set_rows(footer: Struct) -> None:
    footer[ROW_GROUPS][1].items[0][3] = (thrift.I64, -1)


FATAL = [
    set_codec,
    set_key_of_column,
    set_histogram,
    drop_columns_of_row_group,
    drop_metadata,
    set_offset,
    set_size,
    set_rows,  # is not fatal, but rows of others would be lost
]


@pytest.mark.parametrize("change", FATAL)
def test_a_footer_that_makes_arrow_abort_is_refused_with_the_reason(
    change: Callable[[Struct], object],
) -> None:
    with pytest.raises(Unparsable, match=r"the Parquet file is corrupt or truncated: \S"):
        read(with_footer(written(), change), "id", "x")


@pytest.mark.parametrize("change", [set_codec, set_key_of_column, set_histogram, cut_statistics])
def test_a_damaged_entry_of_a_column_that_nobody_reads_does_not_matter(
    change: Callable[[Struct], object],
) -> None:
    body = with_footer(written(), change)
    assert read(body, "id", "y").equals(TABLE.select(["id", "y"]))


SEED = written(TABLE.drop(["odd"]), compression="none", row_group_size=1)
FOOTER = int.from_bytes(SEED[-8:-4], "little")


@examples(0.5)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, FOOTER - 1), st.integers(0, 255)), min_size=1, max_size=3
    )
)
def test_a_damaged_footer_is_read_or_refused_and_no_process_dies(
    changes: list[tuple[int, int]],
) -> None:
    body = bytearray(SEED)
    for place, byte in changes:
        body[-8 - FOOTER + place] = byte
    try:
        reader = reader_of(bytes(body))
        columns = sorted(set(reader.names), key=reader.names.index)
        if len(columns) == len(reader.names):
            list(reader.batches(columns, 10))
        reader.null_count("x")
    except (Unparsable, SchemaMismatch):
        pass


def test_lz4_of_hadoop_is_read_and_the_output_is_snappy() -> None:
    reader = reader_of(in_hadoops_lz4({"x": [1.0, 2.0, 2.0] * 100, "y": [0.5] * 300}), first=4)
    writer = reader.writer()
    (table,) = reader.batches(("x", "y"), 1000)
    assert table.to_pydict() == {"x": [1.0, 2.0, 2.0] * 100, "y": [0.5] * 300}
    output = parquet.ParquetFile(io.BytesIO(writer.write(table) + writer.finish()))
    assert output.read().equals(table)
    assert output.metadata.row_group(0).column(0).compression == "SNAPPY"


def test_the_codec_of_a_column_that_nobody_reads_may_be_one_that_cannot_be_read() -> None:
    def set_lzo(footer: Struct) -> None:
        chunk_metadata(footer, ID)[4] = (thrift.I32, 3)

    body = with_footer(written(compression="zstd"), set_lzo)
    reader = reader_of(body)
    writer = reader.writer()
    (table,) = reader.batches(("x", "y"), 10)
    output = parquet.ParquetFile(io.BytesIO(writer.write(table) + writer.finish()))
    assert output.metadata.row_group(0).column(0).compression == "ZSTD"
    with pytest.raises(Unparsable, match="LZO"):
        read(body, "id")


def of_unknown_physical_type(footer: Struct) -> None:
    schema(footer)[2][1] = (thrift.I32, 99)


def of_contradictory_type(footer: Struct) -> None:
    schema(footer)[2][6] = (thrift.I32, 0)  # UTF8, of a float


def of_map_that_does_not_repeat(footer: Struct) -> None:
    schema(footer)[3][6] = (thrift.I32, 1)  # MAP, of a list
    schema(footer)[3].pop(10)
    schema(footer)[4][3] = (thrift.I32, 1)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (of_unknown_physical_type, "x"),
        (of_contradictory_type, "x"),
        (of_map_that_does_not_repeat, "odd"),
    ],
)
def test_a_column_that_nobody_reads_may_have_any_type(
    change: Callable[[Struct], object], column: str
) -> None:
    body = with_footer(written(), change)
    with pytest.raises((pa.ArrowException, OSError)):
        parquet.ParquetFile(io.BytesIO(body))
    assert reader_of(body).names == ("id", "x", "odd", "y")
    others = [name for name in ("id", "x", "y") if name != column]
    assert read(body, *others).equals(TABLE.select(others))
    with pytest.raises(SchemaMismatch, match=rf"the column '{column}' cannot be read: \S"):
        read(body, "id", column)


@pytest.mark.parametrize(
    "annotation",
    [
        {10: (thrift.STRUCT, {99: (thrift.STRUCT, {})})},
        {6: (thrift.I32, 21)},  # INTERVAL
        {6: (thrift.I32, 99)},
    ],
)
def test_a_column_that_nobody_reads_may_have_any_annotation(annotation: Struct) -> None:
    table = TABLE.append_column("odd bytes", pa.array([bytes(12)] * 2, pa.binary(12)))

    def change(footer: Struct) -> None:
        schema(footer)[-1].update(annotation)

    body = with_footer(written(table), change)
    assert read(body, "id", "y").equals(TABLE.select(["id", "y"]))


def test_types_that_another_version_of_arrow_added_do_not_matter() -> None:
    def spoil(footer: Struct) -> None:
        for pair in footer[5][1].items:
            pair[2] = (thrift.BINARY, b"/////" + b"A" * 43)

    body = with_footer(written(), spoil)
    assert read(body, "id", "y").to_pydict() == TABLE.select(["id", "y"]).to_pydict()


def test_a_column_of_an_extension_type_may_stand_in_a_file() -> None:
    uuids = pa.array([bytes(16), None], pa.uuid())
    assert read(written(TABLE.append_column("u", uuids)), "id").num_rows == 2


@pytest.mark.parametrize(
    ("frame", "names"),
    [
        (pd.DataFrame({"id": ["a"], "x": [1]}, index=[7]), ("__index_level_0__",)),
        (pd.DataFrame({"id": ["a"], "x": [1]}, index=pd.Index([7], name="key")), ("key",)),
        (
            pd.DataFrame({"id": ["a"], "x": [1]}).set_index(["id", "x"], drop=False).iloc[:, :0],
            ("id", "x"),
        ),
        (pd.DataFrame({"id": ["a"], "x": [1]}), ()),
    ],
)
def test_the_columns_that_pandas_metadata_calls_the_index_are_named(
    frame: pd.DataFrame, names: tuple[str, ...]
) -> None:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    assert reader_of(buffer.getvalue()).index_names == names


@pytest.mark.parametrize("described", [b"", b"{", b"[]", b'{"index_columns": 1}'])
def test_pandas_metadata_that_is_damaged_names_no_index(described: bytes) -> None:
    body = written(TABLE.replace_schema_metadata({"pandas": described}))
    assert reader_of(body).index_names == ()


def test_the_footer_tells_nulls_beforehand() -> None:
    reader = reader_of(written(row_group_size=1))
    counts = {name: reader.null_count(name) for name in (*reader.names, "absent")}
    assert counts == {"id": 0, "x": 0, "odd": None, "y": 1, "absent": None}
    assert reader_of(written(write_statistics=False)).null_count("x") is None


def test_columns_of_bytes_come_as_bytes_and_their_rejected_rows_are_shown_as_text() -> None:
    table = pa.table({"s": pa.array(["é".encode(), b"\xff"]), "x": [1, 2]})
    reader = reader_of(written(table))
    (found,) = reader.batches(("s", "x"), 10)
    assert found.equals(table)
    assert [reject.row for reject in reader.rejected_rows({0: "why", 1: "why"})] == [
        '{"s": "é", "x": 1}',
        '{"s": "b\'\\\\xff\'", "x": 2}',
    ]


DAY = datetime(2020, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - Spark writes no zone
FAR = datetime(9999, 12, 31)  # noqa: DTZ001
EARLY = datetime(1500, 1, 1)  # noqa: DTZ001


def spark(**columns: list[datetime | None]) -> bytes:
    times = {name: pa.array(values, pa.timestamp("us")) for name, values in columns.items()}
    rows = len(next(iter(columns.values())))
    table = pa.table({"n": list(range(rows)), **times})
    return written(table, use_deprecated_int96_timestamps=True, row_group_size=3)


def test_int96_is_nanoseconds_as_pandas_reads_it() -> None:
    times = pa.array([1_577_934_245_678_901_234, None, -1], pa.timestamp("ns"))
    body = written(pa.table({"t": times}), use_deprecated_int96_timestamps=True)
    reader = reader_of(body, first=4)
    reader.model_reads(["t"])
    (table,) = reader.batches(("t",), 10)
    assert table["t"].combine_chunks().equals(times)
    assert table.to_pandas().equals(pd.read_parquet(io.BytesIO(body)))


def test_int96_outside_of_what_nanoseconds_hold_makes_its_row_a_bad_row() -> None:
    reader = reader_of(spark(t=[DAY, FAR, None, DAY, EARLY], kept=[FAR] * 5), first=4)
    reader.model_reads(["t"])
    batches = []
    for table in reader.batches(("n", "t", "kept"), 2):
        rejected = [(row.line, row.reason) for row in reader.rejected_rows({0: "too small"})]
        batches.append((table["n"].to_pylist(), reader.malformed_count(), rejected))
    reason = "column 't' is a time outside of the years 1678 to 2261"
    assert batches == [
        ([0, 2], 1, [(1, "too small"), (2, reason)]),
        ([3], 2, [(4, "too small"), (5, reason)]),
    ]
    assert table["t"].to_pylist() == [pd.Timestamp(DAY)]
    assert table["kept"].to_pylist() == [FAR]


def test_int96_that_only_passes_through_keeps_far_years() -> None:
    reader = reader_of(spark(t=[DAY, FAR, None, EARLY]), first=4)
    (table,) = reader.batches(("t", "n"), 10)
    assert table["t"].to_pylist() == [DAY, FAR, None, EARLY]
    assert reader.malformed_count() == 0


def test_a_file_whose_int96_times_are_all_bad_has_no_good_row() -> None:
    reader = reader_of(spark(t=[FAR] * 7))
    reader.model_reads(["t"])
    (table,) = reader.batches(("t",), 2)
    assert (table.num_rows, reader.malformed_count()) == (0, 7)
    assert [row.line for row in reader.rejected_rows({})] == list(range(1, 8))


def test_a_file_with_thousands_of_bad_int96_times_is_refused() -> None:
    reader = reader_of(spark(t=[FAR] * 10_001))
    reader.model_reads(["t"])
    with pytest.raises(Unparsable, match=r"more than 10,000 rows .* from row 1 on: column 't'"):
        list(reader.batches(("t",), 10))


def test_a_check_of_the_footers_entries_keeps_nothing() -> None:
    """Each part of a large file makes such a check, of a footer that grows with the file."""
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": [1, 2]}), file)
    footer = parquet.read_metadata(io.BytesIO(file.getvalue()))
    before = sys.getrefcount(footer)

    check_chunks(footer, ["a"], [0])
    gc.collect()

    assert sys.getrefcount(footer) == before
