"""A Parquet output that is predicted part by part: its row groups, and one footer for all."""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from tests.support.parts import predict_parts
from tests.support.strategies import evenly_long, examples, sizes
from worker.errors import PredictionFailed, TooManyRejected, Unparsable
from worker.footers.joined import JoinedFooter
from worker.interfaces import (
    FilePlan,
    OutputHeader,
    OutputPiece,
    Part,
    PartMessage,
    RowGroups,
    ScoreOptions,
    ScoreResult,
)
from worker.models import Predictor
from worker.scoring.parts import score_part
from worker.scoring.score import open_file, score

ALL = ScoreOptions(keep_columns=("*",), dtypes=(("x", "float"),))
TO_PARQUET = replace(ALL, output_format="parquet")


class Model:
    """Answers the column `x` with a function's result."""

    feature_names_in_ = ("x",)

    def __init__(self, answer: Callable[[pd.DataFrame], object]) -> None:
        self._answer = answer

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"prediction": self._answer(frame)})


DOUBLING = Model(lambda frame: frame["x"] * 2)


def as_file(table: pa.Table, group_rows: int, **options: object) -> bytes:
    body = io.BytesIO()
    parquet.write_table(table, body, row_group_size=group_rows, **options)
    return body.getvalue()


def numbers(rows: int, group_rows: int, **options: object) -> bytes:
    table = pa.table({"id": [f"row {row}" for row in range(rows)], "x": np.arange(rows) / 8})
    return as_file(table, group_rows, **options)


def predict(
    body: bytes,
    options: ScoreOptions = ALL,
    model: Predictor = DOUBLING,
    *,
    part_bytes: int = 1,
) -> MemoryOutput:
    """Predict a file in one process; by default each row group is a part."""
    output = MemoryOutput()
    score(MemoryInput(body, first=9), model, options, output, part_bytes=part_bytes)
    return output


def opened(output: MemoryOutput) -> parquet.ParquetFile:
    return parquet.ParquetFile(pa.BufferReader(output.output))


def test_the_rows_are_those_of_one_piece() -> None:
    body = numbers(100, 7)
    whole = opened(predict(body, part_bytes=len(body) ** 2))
    file = opened(predict(body))
    assert (whole.num_row_groups, file.num_row_groups) == (1, 15)
    assert file.read().equals(whole.read(), check_metadata=True)
    assert file.metadata.num_rows == 100
    assert file.metadata.created_by == whole.metadata.created_by
    assert file.metadata.metadata == whole.metadata.metadata


def test_each_row_group_and_each_column_can_be_read_alone() -> None:
    file = opened(predict(numbers(20, 7)))
    assert [file.read_row_group(group)["id"].to_pylist() for group in range(3)] == [
        [f"row {row}" for row in rows] for rows in (range(7), range(7, 14), range(14, 20))
    ]
    assert file.read(["prediction"])["prediction"].to_pylist() == [row / 4 for row in range(20)]
    assert list(file.iter_batches(3, row_groups=[2], columns=["x"]))[1]["x"].to_pylist() == [
        17 / 8,
        18 / 8,
        19 / 8,
    ]


def test_pandas_reads_the_output_and_its_statistics_serve_a_filter() -> None:
    output = predict(numbers(20, 7)).output
    frame = pd.read_parquet(io.BytesIO(output))
    assert list(frame.columns) == ["id", "x", "prediction"]
    assert list(frame["prediction"]) == [row / 4 for row in range(20)]
    found = parquet.read_table(pa.BufferReader(output), filters=[("prediction", ">", 4.5)])
    assert found["id"].to_pylist() == ["row 19"]
    file = parquet.ParquetFile(pa.BufferReader(output))
    bounds = [file.metadata.row_group(group).column(2).statistics for group in range(3)]
    assert [(each.min, each.max) for each in bounds] == [(0, 1.5), (1.75, 3.25), (3.5, 4.75)]


@pytest.mark.parametrize("codec", ["NONE", "SNAPPY", "GZIP", "ZSTD"])
def test_the_file_is_the_one_that_arrow_writes_of_these_row_groups(codec: str) -> None:
    output = predict(numbers(50, 20, compression=codec)).output
    file = parquet.ParquetFile(pa.BufferReader(output))
    expected = io.BytesIO()
    with parquet.ParquetWriter(expected, file.schema_arrow, compression=codec) as writer:
        for group in range(3):
            writer.write_table(file.read_row_group(group))
    assert output == expected.getvalue()


def test_text_to_parquet_is_predicted_part_by_part_too() -> None:
    body = b"id,x\n" + b"".join(b"%03d,%d\n" % (row, row) for row in range(100))
    whole = opened(predict(body, TO_PARQUET, part_bytes=len(body)))
    file = opened(predict(body, TO_PARQUET, part_bytes=200))
    assert (whole.num_row_groups, file.num_row_groups) == (1, 4)
    assert file.read().equals(whole.read(), check_metadata=True)
    assert file.read()["id"].to_pylist()[:3] == ["000", "001", "002"]


def test_json_lines_to_parquet_are_predicted_part_by_part_too() -> None:
    body = b"".join(b'{"id": "%d", "x": %d, "l": [%d]}\n' % (row, row, row) for row in range(50))
    options = replace(TO_PARQUET, keep_columns=("id", "l"))
    whole = opened(predict(body, options, part_bytes=len(body)))
    file = opened(predict(body, options, part_bytes=200))
    assert file.num_row_groups > 5
    assert file.read().equals(whole.read(), check_metadata=True)
    assert file.read()["l"].to_pylist()[:2] == ["[0]", "[1]"]


def test_a_part_without_a_good_row_has_no_row_group() -> None:
    table = pa.table({"id": range(6), "x": ["1", "2", "no", "no", "5", "6"]})
    output = predict(as_file(table, 2), replace(ALL, max_rejected=0.5))
    file = opened(output)
    assert file.num_row_groups == 2
    assert file.read()["prediction"].to_pylist() == [2, 4, 10, 12]
    assert output.rejects is not None
    assert [line.partition(b",")[0] for line in output.rejects.splitlines()] == [
        b"line",
        b"3",
        b"4",
    ]


def test_an_output_without_rows_has_the_columns() -> None:
    table = pa.table({"id": range(6), "x": ["no"] * 6})
    file = opened(predict(as_file(table, 2), replace(ALL, max_rejected=1)))
    assert (file.num_row_groups, file.metadata.num_rows) == (0, 0)
    assert file.read().column_names == ["id", "x", "prediction"]


def test_parts_are_larger_if_the_footer_that_each_of_them_reads_is_large() -> None:
    table = pa.table({"id": range(20), "x": np.arange(20) / 8})
    # Arrow writes the metadata of a schema twice: once as base64, so the footer has 7 MiB.
    body = as_file(table.replace_schema_metadata({"a": 3 * 2**20 * "a"}), 1)
    size = parquet.ParquetFile(pa.BufferReader(body)).metadata.row_group(0).total_byte_size
    written = opened(predict(body, part_bytes=size)).metadata
    rows = [written.row_group(group).num_rows for group in range(written.num_row_groups)]
    assert rows == [8, 8, 4]


def test_rejected_rows_above_the_limit_fail_the_file() -> None:
    table = pa.table({"id": range(6), "x": ["1", "2", "no", "no", "5", "6"]})
    with pytest.raises(TooManyRejected, match=r"2 of 6 rows are bad.*row 3: .*row 4: "):
        predict(as_file(table, 2), replace(ALL, max_rejected=0.3))


def changing_after(value: float, first: str, later: str) -> Model:
    """Answer with one type for a part that begins with small values, else with another one."""
    return Model(
        lambda frame: frame["x"].to_numpy().astype(first if frame["x"].iloc[0] < value else later)
    )


@pytest.mark.parametrize(
    ("first", "later"), [("int64", "float64"), ("float64", "int64"), ("float32", "float64")]
)
def test_a_model_whose_answer_has_another_type_in_a_later_part_fails_the_file(
    first: str, later: str
) -> None:
    with pytest.raises(PredictionFailed, match=r"for the first rows and .* for later ones"):
        predict(numbers(20, 7), ALL, changing_after(1, first, later))


def test_types_that_differ_only_in_what_their_names_leave_out_fail_the_file() -> None:
    def answer(frame: pd.DataFrame) -> object:
        start = 0 if frame["x"].iloc[0] < 1 else 0.5
        return pd.interval_range(start, start + len(frame))

    with pytest.raises(PredictionFailed, match="for later ones"):
        predict(numbers(20, 7), ALL, Model(answer))


def test_each_part_may_have_categories_of_its_own() -> None:
    model = Model(lambda frame: frame["x"].map(lambda x: f"about {int(x)}").astype("category"))
    body = numbers(20, 7)
    read = opened(predict(body, ALL, model)).read()
    assert pa.types.is_dictionary(read.schema.field("prediction").type)
    assert read["prediction"].to_pylist() == [f"about {row // 8}" for row in range(20)]


def test_row_groups_without_rows_change_nothing() -> None:
    table = pa.table({"id": ["a", "b", "c"], "x": [1.0, 2.0, 3.0]})
    body = io.BytesIO()
    with parquet.ParquetWriter(body, table.schema) as writer:
        for rows in (0, 1, 0, 0, 2, 0):
            writer.write_table(table.slice(0, rows))
    file = opened(predict(body.getvalue()))
    assert file.read()["prediction"].to_pylist() == [2, 2, 4]


def test_a_codec_that_differs_between_row_groups_differs_in_the_output_too() -> None:
    parts = [messages(numbers(8, 4, compression=codec), ALL, Part(0, None)) for codec in CODECS]
    header = next(message for message in parts[0] if isinstance(message, OutputHeader))
    footer, body = JoinedFooter(header.footer), header.data
    for part in parts:
        body += b"".join(message.data for message in part if isinstance(message, OutputPiece))
        footer.add(next(message for message in part if isinstance(message, RowGroups)))
    options = replace(ALL, keep_columns=("id", "x"))
    written = opened(predict(body + footer.finish(), options))
    groups = [written.metadata.row_group(number) for number in range(written.num_row_groups)]
    assert [group.column(0).compression for group in groups] == CODECS
    assert written.read()["x"].to_pylist() == 2 * [row / 8 for row in range(4)]


CODECS = ["GZIP", "ZSTD"]


def test_a_later_row_group_that_is_damaged_fails_the_file() -> None:
    body = bytearray(numbers(100, 20, compression="NONE", use_dictionary=False))
    place = parquet.ParquetFile(pa.BufferReader(bytes(body))).metadata.row_group(3).column(1)
    body[place.data_page_offset] ^= 0xFF
    with pytest.raises(Unparsable, match="corrupt or truncated"):
        predict(bytes(body))


def test_rows_that_the_model_raises_on_are_rejected_with_their_row_in_the_file() -> None:
    def answer(frame: pd.DataFrame) -> object:
        if (frame["x"] == 1.25).any():
            raise ValueError("not this one")
        return frame["x"]

    output = predict(numbers(20, 7), replace(ALL, max_rejected=0.1), Model(answer))
    assert output.rejects is not None
    assert b"\n11,the model raised ValueError: not this one," in output.rejects
    assert opened(output).metadata.num_rows == 19


def test_a_row_group_above_the_memory_is_refused_with_its_size() -> None:
    draw = np.random.default_rng(1)
    table = pa.table({"id": [draw.bytes(400) for _ in range(5000)], "x": draw.random(5000)})
    body = as_file(table, 4000, compression="NONE")
    with pytest.raises(Unparsable, match=r"row group 1 takes 1\.\d MiB at once"):
        predict(body, replace(ALL, memory_bytes=2**20))


def test_more_row_groups_than_an_ordinal_can_count_are_read() -> None:
    sent = messages(numbers(16, 8), ALL, Part(0, None))
    [header] = [message for message in sent if isinstance(message, OutputHeader)]
    [groups] = [message for message in sent if isinstance(message, RowGroups)]
    data = b"".join(message.data for message in sent if isinstance(message, OutputPiece))
    footer, count = JoinedFooter(header.footer), 2**15 + 5
    for _ in range(count):
        footer.add(groups)
    output = header.data + data * count + footer.finish()
    file = parquet.ParquetFile(pa.BufferReader(output))
    assert (file.num_row_groups, file.metadata.num_rows) == (count, 8 * count)
    assert file.read_row_group(count - 1)["prediction"].to_pylist() == [x / 4 for x in range(8)]


def messages(body: bytes, options: ScoreOptions, part: Part) -> list[PartMessage]:
    """Return what a process sends for a part, but for its end."""
    plan = open_file(MemoryInput(body), DOUBLING, options, MemoryOutput(), part_bytes=1)
    assert isinstance(plan, FilePlan)
    sent = Sent()
    score_part(MemoryInput(body), DOUBLING, options, plan, part=part, sink=sent)
    return sent


class Sent(list[PartMessage]):
    """Implements worker.interfaces.PartSink."""

    def send_part(self, message: PartMessage) -> None:
        self.append(message)


# Each with values that Arrow gives back as they are.
KEPT_TYPES: list[tuple[pa.DataType, list[object]]] = [
    (pa.int8(), [0, -1, 127]),
    (pa.uint64(), [0, 2**64 - 1]),
    (pa.float32(), [0.5, -0.0, float("inf")]),
    (pa.bool_(), [True, False]),
    (pa.string(), ["", "é", "x" * 50]),
    (pa.large_string(), ["a", "b"]),
    (pa.binary(), [b"", b"\xff\0"]),
    (pa.decimal128(20, 3), [Decimal("1.125"), Decimal(-7)]),
    (pa.date32(), [date(2020, 2, 29)]),
    (pa.timestamp("us", "Europe/Paris"), [datetime(2020, 1, 1, tzinfo=UTC)]),
    (pa.timestamp("ns"), [pd.Timestamp(1)]),
    (pa.duration("ms"), [timedelta(days=1)]),
    (pa.list_(pa.int64()), [[], [1, None], [2, 3, 4]]),
    (pa.struct([("a", pa.int64()), ("b", pa.string())]), [{"a": 1, "b": None}]),
    (pa.map_(pa.string(), pa.int8()), [[("k", 1)], []]),
    (pa.dictionary(pa.int32(), pa.string()), ["red", "green", "blue"]),
    (pa.null(), []),
]


@st.composite
def kept_columns(draw: st.DrawFn, rows: int) -> pa.Table:
    """Draw columns of any types; many have runs of nulls, so that some parts have nothing else."""
    columns = {}
    for number in range(draw(st.integers(1, 4))):
        data_type, values = draw(st.sampled_from(KEPT_TYPES))
        cells = draw(evenly_long(st.sampled_from([None, None, *values]), rows, rows))
        run = slice(*sorted(draw(st.tuples(*[st.integers(0, rows)] * 2))))
        cells[run] = [None] * len(cells[run])
        columns[f"kept {number}"] = pa.array(cells, data_type)
    return pa.table(columns)


@dataclass(frozen=True)
class Case:
    """A file, and in which parts, by how many processes and with how much memory to predict it."""

    table: pa.Table
    group_rows: int
    part_bytes: int
    processes: int
    reserved_bytes: int
    seed: int
    pieces: list[int]

    def body(self) -> bytes:
        return as_file(self.table, self.group_rows)


CASES = st.integers(1, 40).flatmap(
    lambda rows: st.builds(
        Case,
        table=st.builds(
            lambda kept, x: kept.append_column("x", pa.array(x, pa.float64())),
            kept_columns(rows),
            evenly_long(st.sampled_from([1.0, -0.0, None, float("inf")]), rows, rows),
        ),
        group_rows=st.integers(1, 10),
        part_bytes=st.sampled_from([1, 100, 1000]),
        processes=st.integers(1, 4),
        reserved_bytes=st.sampled_from([1, 300, 2**25]),
        seed=st.integers(0, 2**32),
        pieces=sizes(1, 100),
    )
)


def predict_by_processes(case: Case, options: ScoreOptions) -> bytes:
    """Predict a file's parts in any order, as processes do; each message is pickled on its way."""
    options = replace(options, reserved_bytes=case.reserved_bytes)
    body = case.body()
    file = MemoryInput(body, first=10, pieces=case.pieces)
    plan = open_file(file, FILLING, options, MemoryOutput(), part_bytes=case.part_bytes)
    if isinstance(plan, ScoreResult):
        return predict(body, options, FILLING, part_bytes=case.part_bytes).output

    def send(part: Part) -> list[PartMessage]:
        sent = Sent()
        end = score_part(file, FILLING, options, plan, part=part, sink=sent)
        return [pickle.loads(pickle.dumps(message)) for message in (*sent, end)]  # noqa: S301

    draw = Random(case.seed)  # noqa: S311 - no secret
    return predict_parts(plan, send, max_rejected=0, processes=case.processes, draw=draw).output


FILLING = Model(lambda frame: frame["x"].fillna(0) * 2)


@examples(0.5)
@given(CASES)
def test_any_kept_columns_leave_as_they_came_in_the_same_bytes_whatever_the_processes(
    case: Case,
) -> None:
    output = predict_by_processes(case, ALL)
    assert output == predict(case.body(), ALL, FILLING, part_bytes=case.part_bytes).output
    read = parquet.read_table(pa.BufferReader(output))
    came = parquet.read_table(pa.BufferReader(case.body()))
    assert read.drop_columns("prediction").equals(came, check_metadata=True)
    whole = predict(case.body(), ALL, FILLING, part_bytes=2**40).output
    assert read.equals(parquet.read_table(pa.BufferReader(whole)), check_metadata=True)
    pd.testing.assert_frame_equal(
        pd.read_parquet(io.BytesIO(output)), pd.read_parquet(io.BytesIO(whole))
    )
