import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.support.fakes.input_reader import MemoryInput
from tests.support.strategies import evenly_long, examples, sizes
from worker.errors import SchemaMismatch, Unparsable
from worker.formats.base import RejectedRow
from worker.formats.features import FeatureConverter
from worker.formats.json_lines.cells import json_field
from worker.formats.memory import InputMemory
from worker.formats.model_inputs import Feature, ModelInputs
from worker.formats.parquet.range_file import merge_ranges
from worker.formats.parquet.reader import ParquetReader
from worker.formats.parquet.writer import ParquetWriter
from worker.interfaces import ScoreOptions

MIB = 2**20
ANY = ModelInputs(names=None, count=None, numbers_only=False, takes_missing=True)


def as_parquet(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def opened(
    file: MemoryInput, *, memory_bytes: int, reserved_bytes: int = 16 * MIB
) -> ParquetReader:
    options = ScoreOptions(memory_bytes=memory_bytes, reserved_bytes=reserved_bytes)
    return ParquetReader(file, InputMemory(file.reserve, options))


def reader_of(
    body: bytes, *, first: int | None = None, memory_bytes: int = 512 * MIB
) -> ParquetReader:
    return opened(MemoryInput(body, first=first), memory_bytes=memory_bytes)


def read(file: ParquetReader, *columns: str) -> pa.Table:
    return pa.concat_tables(file.batches(columns or file.names, 10_000))


def written(*tables: pa.Table, writer: ParquetWriter | None = None) -> bytes:
    writer = writer or ParquetWriter()
    return b"".join([*map(writer.write, tables), writer.finish()])


def noise(rows: int, **columns: int) -> pa.Table:
    """Return columns of so many random bytes a row, which no codec makes smaller."""
    draw = np.random.default_rng(rows)
    return pa.table(
        {name: [draw.bytes(width) for _ in range(rows)] for name, width in columns.items()}
    )


MANY_TYPES = pa.table(
    {
        "text": ["007", None, "é"],
        "dictionary": pa.array(["x", None, "x"]).dictionary_encode(),
        "int8": pa.array([1, None, -3], pa.int8()),
        "uint64": pa.array([2**64 - 1, None, 0], pa.uint64()),
        "float32": pa.array([0.1, None, float("-inf")], pa.float32()),
        "truth": [True, None, False],
        "decimal": pa.array([Decimal("1.10"), None, Decimal("-2.00")], pa.decimal128(20, 2)),
        "day": [date(2024, 2, 29), None, date(1, 1, 1)],
        "naive": pa.array([0, 1, None], pa.timestamp("ns")),
        "zoned": pa.array([0, 1, None], pa.timestamp("us", "Europe/Berlin")),
        "bytes": [b"\xff\0", None, b""],
        "list": [[1], None, []],
        "struct": [{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}],
        "nothing": pa.nulls(3),
    }
)


def test_columns_keep_their_types_and_nulls() -> None:
    file = reader_of(as_parquet(MANY_TYPES))
    output = written(read(file), writer=file.writer())
    assert parquet.read_table(io.BytesIO(output)).equals(MANY_TYPES)


@pytest.mark.parametrize("codec", ["SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4", "NONE"])
def test_a_file_leaves_in_the_codec_it_came_in(codec: str) -> None:
    table = pa.table({"n": list(range(1000))})
    body = as_parquet(table, compression=codec)
    file = reader_of(body)
    output = written(read(file), writer=file.writer())
    came, leaves = (parquet.ParquetFile(io.BytesIO(file)) for file in (body, output))
    assert leaves.read().equals(table)
    codecs = [file.metadata.row_group(0).column(0).compression for file in (came, leaves)]
    assert codecs[0] == codecs[1]


@pytest.mark.parametrize("size", [4, 10, 25])
def test_tables_are_cut_at_the_same_rows_whatever_the_row_groups(size: int) -> None:
    file = reader_of(as_parquet(pa.table({"n": list(range(25))}), row_group_size=size))
    assert [part.num_rows for part in file.batches(("n",), 10)] == [10, 10, 5]


@examples(0.2)
@given(
    places=evenly_long(st.integers(0, 2), 1, 3000),
    row_groups=st.integers(1, 8),
    layout=st.fixed_dictionaries(
        {
            "data_page_size": st.sampled_from([100, 2**20]),
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "compression": st.sampled_from(["snappy", "zstd", "none"]),
            "use_dictionary": st.booleans(),
        }
    ),
    columns=st.lists(st.sampled_from(MANY_TYPES.column_names), min_size=1, unique=True),
    first=st.integers(0, 2**17),
    pieces=sizes(1, 10_000),
)
def test_a_file_read_by_ranges_is_the_file_read_whole(
    *,
    places: list[int],
    row_groups: int,
    layout: dict[str, object],
    columns: list[str],
    first: int,
    pieces: list[int],
) -> None:
    table = MANY_TYPES.take(places)
    body = as_parquet(table, row_group_size=table.num_rows // row_groups + 1, **layout)
    file = MemoryInput(body, first=min(first, len(body)), pieces=pieces)
    assert read(opened(file, memory_bytes=MIB), *columns).equals(table.select(columns))


def test_a_file_that_came_whole_is_not_asked_for_again() -> None:
    file = MemoryInput(as_parquet(MANY_TYPES))
    read(opened(file, memory_bytes=MIB))
    assert file.asked == []


def test_only_the_footer_and_the_columns_read_are_fetched() -> None:
    body = as_parquet(noise(100, small=10, unread=2 * 10**5, last=10))
    file = MemoryInput(body, first=1000)
    reader = opened(file, memory_bytes=MIB)
    read(reader, "small", "last")
    assert reader.names == ("small", "unread", "last")
    assert sum(end - start for start, end in file.asked) < 200_000 < len(body) / 100


def test_columns_near_each_other_are_fetched_as_one_range() -> None:
    assert merge_ranges([(10 * MIB, 11 * MIB), (0, 10), (5, 7), (MIB, 2 * MIB)]) == [
        (0, 2 * MIB),
        (10 * MIB, 11 * MIB),
    ]


def test_small_row_groups_are_fetched_together() -> None:
    body = as_parquet(noise(200, n=10_000), row_group_size=10)
    file = MemoryInput(body, first=1000)
    assert read(opened(file, memory_bytes=4 * MIB)).num_rows == 200
    assert len(file.asked) == 2


def test_small_row_groups_are_fetched_apart_where_the_memory_is_small() -> None:
    body = as_parquet(noise(200, n=10_000), row_group_size=50)
    file = MemoryInput(body, first=1000)
    assert read(opened(file, memory_bytes=MIB)).num_rows == 200
    assert len(file.asked) == 3


def test_row_groups_too_large_for_one_fetch_are_fetched_apart() -> None:
    table = noise(40, n=MIB)
    body = as_parquet(table, row_group_size=10)
    file = MemoryInput(body, first=1000)
    assert read(opened(file, memory_bytes=16 * MIB)).equals(table)
    assert len(file.asked) == 5
    assert file.reserved == []


def test_the_largest_row_group_is_reserved_before_the_first_is_fetched() -> None:
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, noise(1, n=1).schema) as writer:
        for size in (10, 30, 20):
            writer.write_table(noise(size, n=MIB))
    file = MemoryInput(buffer.getvalue(), first=1000)
    tables = opened(file, memory_bytes=512 * MIB).batches(("n",), 1)
    next(tables)
    (reserved,) = file.reserved
    assert 30 * MIB <= reserved < 31 * MIB
    assert sum(end - start for start, end in file.asked) < 11 * MIB


def test_a_row_group_beyond_the_memory_is_refused_with_its_size() -> None:
    body = as_parquet(noise(30, n=MIB), row_group_size=10)
    file = MemoryInput(body, first=1000)
    reader = opened(file, memory_bytes=4 * MIB)
    asked = list(file.asked)
    with pytest.raises(
        Unparsable, match=r"row group 1 takes 10\.0 MiB at once, and WORKER_MEMORY_MB allows 4\.0"
    ):
        read(reader)
    assert file.asked == asked


def test_the_memory_bounds_the_columns_that_are_read_alone() -> None:
    body = as_parquet(noise(10, n=10, unread=MIB).append_column("m", pa.array(range(10))))
    file = MemoryInput(body, first=1000)
    assert read(opened(file, memory_bytes=MIB), "n", "m").num_rows == 10


def test_a_footer_beyond_the_tail_is_fetched_whole() -> None:
    table = pa.table({f"column {n}": [n] for n in range(1000)})
    file = MemoryInput(as_parquet(table), first=1000)
    assert read(opened(file, memory_bytes=16 * MIB)).equals(table)


def test_a_file_without_rows_is_a_table_without_rows() -> None:
    for body in (as_parquet(MANY_TYPES.slice(0, 0)), written(MANY_TYPES.slice(0, 0))):
        (table,) = reader_of(body, first=4).batches(("text", "list"), 10)
        assert table.schema.names == ["text", "list"]
        assert table.num_rows == 0


def test_a_column_with_a_dot_in_its_name_is_not_taken_for_a_path() -> None:
    body = as_parquet(pa.table({"a.b": [1], "a": [{"b": 2}], "c": [3]}))
    assert read(reader_of(body, first=4), "a").to_pylist() == [{"a": {"b": 2}}]
    assert read(reader_of(body, first=4), "c", "a.b").to_pylist() == [{"c": 3, "a.b": 1}]


def test_far_dates_of_old_spark_files_do_not_wrap_around() -> None:
    table = pa.table({"t": pa.array([datetime(9999, 12, 31, tzinfo=UTC)], pa.timestamp("us"))})
    body = as_parquet(table, use_deprecated_int96_timestamps=True)
    assert read(reader_of(body)).equals(table)


def test_chunks_of_a_writer_that_left_out_a_header_can_be_read() -> None:
    body = as_parquet(pa.table({"n": [b"x" * MIB * 2], "m": [1], "k": [b"x" * 100]}))
    writer = parquet.ParquetFile(io.BytesIO(body)).metadata.created_by.encode()
    old = body.replace(writer, b"parquet-mr version 1.2.8".ljust(len(writer)))
    assert read(reader_of(old, first=4), "n", "m").num_rows == 1


@pytest.mark.parametrize("cut", [1, 20, 500])
@pytest.mark.parametrize("first", [None, 4])
def test_a_truncated_file_is_refused(cut: int, first: int | None) -> None:
    body = as_parquet(MANY_TYPES)
    with pytest.raises(Unparsable, match=r"corrupt or truncated: .*footer"):
        reader_of(body[:-cut], first=first)


@pytest.mark.parametrize("body", [b"PAR1", b"PAR1PAR1", b"PAR1\xff\xff\xff\xffPAR1"])
def test_a_file_too_short_for_its_footer_is_refused(body: bytes) -> None:
    with pytest.raises(Unparsable, match="corrupt or truncated"):
        reader_of(body)


def test_an_encrypted_file_is_named_as_one() -> None:
    with pytest.raises(Unparsable, match="encrypted"):
        reader_of(as_parquet(MANY_TYPES)[:-4] + b"PARE")


def test_a_file_damaged_inside_is_refused() -> None:
    body = bytearray(as_parquet(pa.table({"n": list(range(1000))}), compression="ZSTD"))
    body[20:200] = b"\xff" * 180
    with pytest.raises(Unparsable, match="Parquet file is corrupt or truncated"):
        read(reader_of(bytes(body)))


def test_a_flipped_bit_is_found_by_its_checksum() -> None:
    table = pa.table({"n": pa.array(range(1000), pa.int64())})
    body = bytearray(
        as_parquet(table, compression="NONE", use_dictionary=False, write_page_checksum=True)
    )
    body[1000] ^= 1
    with pytest.raises(Unparsable, match=r"(?i)crc"):
        read(reader_of(bytes(body)))


def test_text_that_is_no_utf_8_is_refused() -> None:
    body = as_parquet(pa.table({"s": ["abcdefgh"]}), compression="NONE")
    with pytest.raises(Unparsable, match=r"(?i)utf8"):
        read(reader_of(body.replace(b"abcdefgh", b"abcd\xffefg")))


def test_a_footer_that_points_outside_the_file_is_refused() -> None:
    body = as_parquet(noise(10, n=10_000), compression="NONE", use_dictionary=False)
    with pytest.raises(Unparsable, match=r"the footer has a column at bytes 4 to \d+ of"):
        read(reader_of(body[:4] + body[50_000:]))


def test_rows_that_the_footer_has_and_the_file_lacks_are_missed() -> None:
    short, long = (as_parquet(pa.table({"n": [1] * rows})) for rows in (30, 60))
    footer = int.from_bytes(long[-8:-4], "little") + 8
    start = len(long) - footer
    assert len(short) == len(long)
    with pytest.raises(Unparsable, match="corrupt or truncated"):
        read(reader_of(short[:start] + long[start:]))


def test_a_bad_row_is_shown_with_its_number_in_the_file_and_the_columns_read() -> None:
    table = pa.table({"id": ["a", "b", "c"], "unread": [1, 2, 3], "x": [1.5, None, 2.5]})
    file = reader_of(as_parquet(table))
    rejects = [list(file.rejected_rows({0: "why"})) for _ in file.batches(("id", "x"), 2)]
    assert rejects == [
        [RejectedRow(1, "why", '{"id": "a", "x": 1.5}')],
        [RejectedRow(3, "why", '{"id": "c", "x": 2.5}')],
    ]


def test_a_bad_row_is_shown_whatever_its_cells_hold() -> None:
    year_148108 = pa.array([2**62]).cast(pa.timestamp("us"))
    days = pa.array([[date(2020, 1, 2)]])
    file = reader_of(as_parquet(pa.table({"at": year_148108, "days": days, "raw": [b"\xff"]})))
    for _ in file.batches(("at", "days", "raw"), 2):
        (reject,) = file.rejected_rows({0: "why"})
    assert json.loads(reject.row) == {
        "at": "a timestamp[us] that cannot be shown",
        "days": ["2020-01-02"],
        "raw": "b'\\xff'",
    }


def test_bad_rows_come_in_the_order_of_the_file() -> None:
    file = reader_of(as_parquet(pa.table({"n": list(range(5))})))
    (_,) = file.batches(("n",), 10)
    assert [reject.line for reject in file.rejected_rows({4: "x", 0: "y"})] == [1, 5]
    assert file.malformed_count() == 0


@pytest.mark.parametrize("column", [[[1.5]], [{"a": 1}]])
def test_a_nested_feature_is_refused_with_its_type(column: list[object]) -> None:
    with pytest.raises(SchemaMismatch, match=r"the column 'x' is of type (list|struct)<"):
        FeatureConverter([Feature("x", "x")], ANY, cells="typed").to_frame(pa.table({"x": column}))


def test_times_and_text_reach_the_model_as_pandas_has_them() -> None:
    table = MANY_TYPES.select(["text", "dictionary", "truth", "day", "naive", "zoned"])
    converter = FeatureConverter(
        [Feature(name, name) for name in table.column_names], ANY, cells="typed"
    )
    converter.add(table)
    frame, bad = converter.to_frame(table)
    assert bad == {}
    assert frame.equals(table.to_pandas())


def test_row_groups_gather_many_tables() -> None:
    table = pa.table({"n": list(range(10_000))})
    metadata = parquet.ParquetFile(io.BytesIO(written(*[table] * 23))).metadata
    sizes = [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]
    assert sizes == [100_000, 100_000, 30_000]


def test_row_groups_of_long_rows_are_bounded_in_bytes() -> None:
    table = pa.table({"s": ["x" * 10_000] * 1000})
    metadata = parquet.ParquetFile(io.BytesIO(written(*[table] * 8))).metadata
    sizes = [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]
    assert sizes == [4000, 4000]


def test_a_row_group_is_handed_over_when_it_is_done() -> None:
    writer = ParquetWriter()
    table = pa.table({"n": list(range(50_000))})
    pieces = [writer.write(table) for _ in range(4)]
    assert [len(piece) > 1000 for piece in pieces] == [False, True, False, True]
    assert parquet.read_table(io.BytesIO(b"".join(pieces) + writer.finish())).num_rows == 200_000


def test_the_same_rows_are_the_same_bytes_however_they_lie_in_memory() -> None:
    words = pa.table({"s": [f"{n:0100}" for n in range(19_999)] + [None], "n": range(20_000)})
    cut = pa.concat_tables([words.slice(0, 19_998), words.slice(19_998)])
    other = pa.concat_tables([words.slice(start, 333) for start in range(0, 20_000, 333)])
    assert written(cut, cut) == written(other, other) == written(words, words)


def test_the_bytes_that_end_a_row_group_are_those_of_the_text() -> None:
    words = pa.table({"s": ["x" * 33_584] * 999 + [None]})
    cut = pa.concat_tables([pa.table({"s": ["x" * 33_584] * 999}), words.slice(999)])
    assert cut.nbytes < 32 * MIB < words.nbytes
    assert written(cut, words) == written(words, cut)


def test_json_text_becomes_text() -> None:
    column = pa.array(['"a\\nb"', "1.10", "null", None, '{"k": "v"}'])
    table = pa.Table.from_arrays([column], schema=pa.schema([json_field("j")]))
    output = parquet.read_table(io.BytesIO(written(table)))
    assert output["j"].to_pylist() == ["a\nb", "1.10", None, None, '{"k": "v"}']
