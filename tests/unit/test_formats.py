import io

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.fakes.blob import MemoryBlob
from worker.errors import SchemaMismatch, Unparsable
from worker.formats import Needs, select
from worker.formats.parquet import ParquetSink, ParquetSource
from worker.formats.tables import Cells, Reject, rebatch

ANY = Needs(names=None, count=None, numbers_only=False, takes_missing=True)


def needs(*names: str) -> Needs:
    return Needs(names=names, count=None, numbers_only=False, takes_missing=True)


def as_parquet(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def source(body: bytes) -> ParquetSource:
    return ParquetSource(MemoryBlob(body), memory_bytes=2**20)


def test_batches_of_any_size_are_cut_at_the_same_rows() -> None:
    table = pa.table({"n": list(range(25))})
    for size in (1, 3, 10, 24, 25, 26):
        cut = list(rebatch(table.to_batches(size), table.schema, 10))
        assert [part.num_rows for part in cut] == [10, 10, 5]
        assert pa.concat_tables(cut).equals(table)


def test_there_is_a_table_even_without_rows() -> None:
    schema = pa.schema([("n", pa.int64())])
    assert [part.num_rows for part in rebatch([], schema, 10)] == [0]


def test_no_empty_table_follows_a_full_one() -> None:
    table = pa.table({"n": list(range(20))})
    assert [part.num_rows for part in rebatch(table.to_batches(7), table.schema, 10)] == [10, 10]


def test_parquet_columns_keep_their_types() -> None:
    table = pa.table(
        {
            "d": pa.array(["x", None, "x"]).dictionary_encode(),
            "t": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "i": pa.array([1, None, 3], pa.int16()),
            "l": [[1], None, [2, 3]],
        }
    )
    found = source(as_parquet(table))
    (read,) = found.batches(found.names, 10)
    sink = found.sink()
    sink.write(read)
    assert parquet.read_table(io.BytesIO(sink.finish())).equals(table)


def test_parquet_is_cut_at_the_same_rows_whatever_its_row_groups() -> None:
    table = pa.table({"n": list(range(25))})
    for size in (4, 10, 25):
        found = source(as_parquet(table, row_group_size=size))
        assert [part.num_rows for part in found.batches(("n",), 10)] == [10, 10, 5]


def test_a_parquet_column_with_a_dot_is_told_from_a_path() -> None:
    found = source(as_parquet(pa.table({"a.b": [1], "a": [2]})))
    (table,) = found.batches(("a",), 10)
    assert table.to_pylist() == [{"a": 2}]


@pytest.mark.parametrize("codec", ["SNAPPY", "ZSTD", "GZIP", "NONE"])
def test_parquet_leaves_in_the_codec_it_came_in(codec: str) -> None:
    table = pa.table({"n": list(range(1000))})
    sink = source(as_parquet(table, compression=codec)).sink()
    sink.write(table)
    group = parquet.ParquetFile(io.BytesIO(sink.finish())).metadata.row_group(0)
    assert group.column(0).compression == codec.replace("NONE", "UNCOMPRESSED")


def test_parquet_row_groups_gather_many_tables() -> None:
    sink = ParquetSink()
    table = pa.table({"n": list(range(10_000))})
    for _ in range(23):
        sink.write(table)
    metadata = parquet.ParquetFile(io.BytesIO(sink.finish())).metadata
    sizes = [metadata.row_group(place).num_rows for place in range(metadata.num_row_groups)]
    assert sizes == [100_000, 100_000, 30_000]


def test_truncated_parquet_is_refused() -> None:
    with pytest.raises(Unparsable, match="Parquet file is corrupt or truncated"):
        source(as_parquet(pa.table({"n": [1]}))[:-20])


def test_parquet_damaged_inside_is_refused() -> None:
    body = bytearray(as_parquet(pa.table({"n": list(range(1000))}), compression="ZSTD"))
    body[20:200] = b"\xff" * 180
    found = source(bytes(body))
    with pytest.raises(Unparsable, match="Parquet file is corrupt or truncated"):
        list(found.batches(("n",), 10))


def test_a_bad_parquet_row_is_shown_whole_with_its_number() -> None:
    found = source(as_parquet(pa.table({"id": ["a", "b"], "x": [1.5, None]})))
    list(found.batches(found.names, 10))
    assert list(found.rejects({1: "why"})) == [Reject(2, "why", '{"id": "b", "x": null}')]


def test_the_first_column_is_kept_and_the_rest_are_features() -> None:
    chosen = select(["id", "x", "y"], ANY, None, cells="text")
    assert (chosen.kept, chosen.features) == (("id",), ("x", "y"))


def test_features_with_names_are_taken_in_the_models_order() -> None:
    chosen = select(["id", "x", "y"], needs("y", "id"), None, cells="text")
    assert (chosen.features, chosen.read) == (("y", "id"), ("id", "y"))


def test_a_star_keeps_every_column() -> None:
    assert select(["id", "x"], ANY, ("*",), cells="text").kept == ("id", "x")


def test_columns_are_kept_in_the_order_asked_for_and_once() -> None:
    assert select(["id", "x"], ANY, ("x", "id", "x"), cells="text").kept == ("x", "id")


def test_no_column_need_be_kept() -> None:
    assert select(["id", "x"], ANY, (), cells="text").kept == ()


def test_missing_features_are_named_with_the_nearest_column() -> None:
    with pytest.raises(
        SchemaMismatch,
        match=r"2 of the 3 model's columns.*'petal_length' \(nearest: 'petal length'\), 'age'",
    ):
        select(["id", "petal length", "x"], needs("petal_length", "age", "x"), None, cells="text")


def test_a_missing_column_to_keep_is_named_with_its_setting() -> None:
    with pytest.raises(SchemaMismatch, match=r"WORKER_KEEP_COLUMNS.*'ID' *"):
        select(["id", "x"], ANY, ("ID",), cells="text")


def test_a_wrong_count_by_position_names_both_counts() -> None:
    four = Needs(names=None, count=4, numbers_only=False, takes_missing=True)
    with pytest.raises(SchemaMismatch, match=r"takes 4 columns by position.* 2 after the first"):
        select(["id", "x", "y"], four, None, cells="text")


def test_one_column_leaves_nothing_to_predict_on() -> None:
    with pytest.raises(SchemaMismatch, match="nothing to predict on"):
        select(["id"], ANY, None, cells="text")


@pytest.mark.parametrize("cells", ["text", "json", "typed"])
def test_a_name_that_stands_twice_is_refused(cells: Cells) -> None:
    with pytest.raises(SchemaMismatch, match="more than once there: 'x'"):
        select(["id", "x", "x"], needs("x"), None, cells=cells)


@pytest.mark.parametrize("first", ["5.1,3.5,1.4", "7,5,5", "a17,5.1,3.5", "1,-2e3"])
def test_a_first_line_of_data_is_no_header(first: str) -> None:
    with pytest.raises(Unparsable, match="looks like data, not like a header"):
        select(first.split(","), ANY, None, cells="text")


@pytest.mark.parametrize("header", ["0,1,2", "id,2023,2024", ",0,1", "id,x,1.5"])
def test_numbers_can_be_names(header: str) -> None:
    assert select(header.split(","), ANY, None, cells="text").features


def test_numbers_are_names_when_the_model_knows_them() -> None:
    assert select(["id", "0.1", "0.9"], needs("0.9"), None, cells="text").features == ("0.9",)


def test_typed_columns_may_be_named_by_numbers() -> None:
    assert select(["1.5", "2.5"], ANY, None, cells="typed").features == ("2.5",)
