import gzip
import io
import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from tests.support.whole_file import ScoredFile, score
from worker.errors import (
    PredictionFailed,
    SchemaMismatch,
    TooManyRejected,
    TransientError,
    Unparsable,
)
from worker.interfaces import Range, ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring import score as scoring
from worker.scoring.batches import BATCH_ROWS

DEFAULT = ScoreOptions()
LENIENT = ScoreOptions(max_rejected=0.5)
FLOWERS = pd.DataFrame({"length": [1.0, 2.0, 3.0, 4.0], "width": [0.5, 1.0, 4.0, 3.0]})
MODEL = SklearnPredictor(LogisticRegression().fit(FLOWERS, [0, 0, 1, 1]))


class Plugin:
    """A plug-in predictor, made of a function and attributes."""

    def __init__(self, predict: Callable[[pd.DataFrame], object], **attributes: object) -> None:
        self._predict = predict
        self.__dict__ |= attributes
        self.frames: list[pd.DataFrame] = []

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        self.frames.append(frame)
        return self._predict(frame)  # type: ignore[return-value] # some answer nonsense on purpose


def total(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"total": frame.sum(axis=1, numeric_only=True)})


def count(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"n": np.arange(len(frame))})


def lines(scored: ScoredFile) -> list[str]:
    return scored.output.decode().splitlines()


def ids(scored: ScoredFile) -> list[str]:
    return [line.split(",")[0] for line in lines(scored)[1:]]


def as_parquet(table: pa.Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def from_parquet(scored: ScoredFile) -> pa.Table:
    return parquet.read_table(io.BytesIO(scored.output))


def test_an_id_like_00123_leaves_as_it_came() -> None:
    scored = score(b"id,length,width\n00123,1,2\n", MODEL, DEFAULT)
    assert ids(scored) == ["00123"]


@pytest.mark.parametrize(
    "cell",
    [
        "007",
        "12345678901234567890",
        "NA",
        "",
        "1e5",
        " x ",
        "1.10",
        "True",
        "2024-01-01",
        "é",
        '5"',
    ],
)
def test_a_kept_cell_leaves_verbatim(cell: str) -> None:
    scored = score(f"id,x\n{cell},1\n".encode(), Plugin(count), DEFAULT)
    expected = '"5"""' if cell == '5"' else cell
    assert scored.output.decode() == f"id,n\n{expected},0\n"


def test_a_kept_cell_with_delimiter_quote_or_newline_stays_quoted() -> None:
    body = b'id;x\n"a;b";1\n"say ""hi""";2\n"two\nlines";3\n"needless";4\n'
    scored = score(body, Plugin(count), DEFAULT)
    assert scored.output == b'id;n\n"a;b";0\n"say ""hi""";1\n"two\nlines";2\nneedless;3\n'


def test_an_empty_kept_cell_differs_from_empty_text() -> None:
    scored = score(b'id,x,note\n,1,""\n"",2,\n', Plugin(count), ScoreOptions(keep_columns=("*",)))
    assert scored.output == b'id,x,note,n\n,1,"",0\n"",2,,1\n'


def test_a_feature_may_also_be_kept_verbatim() -> None:
    scored = score(b"id,x\na,1.50\n", Plugin(total), ScoreOptions(keep_columns=("*",)))
    assert lines(scored) == ["id,x,total", "a,1.50,1.5"]


def test_without_kept_columns_only_predictions_leave() -> None:
    assert lines(score(b"id,x\na,1\n", Plugin(total), ScoreOptions(keep_columns=()))) == [
        "total",
        "1",
    ]


def test_predictions_are_those_of_the_model_on_the_whole_file() -> None:
    body = b"id,width,length,note\na,0.5,1.25,hi\nb,4,3.5,\n"
    table = pd.read_csv(io.BytesIO(body))
    expected = MODEL.model.predict_proba(table[["length", "width"]])[:, 1]
    scored = score(body, MODEL, DEFAULT)
    found = pd.read_csv(io.BytesIO(scored.output))["activation"]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_column_that_the_model_does_not_read_may_hold_anything() -> None:
    scored = score(b"id,length,width,note\na,1,2,3\nb,1,2,x\n", MODEL, DEFAULT)
    assert (scored.rows, scored.rejected, scored.rejects) == (2, 0, None)


def test_categories_reach_the_model_as_text() -> None:
    colours = pd.DataFrame({"colour": ["red", "blue", "red", None], "size": ["1", "x", "2", "1"]})
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(colours, [1.0, 2.0, 3.0, 9.0])
    scored = score(b"id,size,colour\na,1,red\nb,x,blue\nc,1,\n", SklearnPredictor(model), DEFAULT)
    asked = pd.DataFrame({"colour": ["red", "blue", None], "size": ["1", "x", "1"]})
    found = pd.read_csv(io.BytesIO(scored.output))["prediction"]
    np.testing.assert_allclose(found, model.predict(asked), rtol=1e-12)


def test_booleans_reach_the_model_as_booleans() -> None:
    plugin = Plugin(count)
    score(b"id,x\na,true\nb,False\n", plugin, DEFAULT)
    assert plugin.frames[0]["x"].tolist() == [True, False]
    assert plugin.frames[0]["x"].dtype == bool


def test_a_predictor_without_names_is_given_all_columns_after_the_first() -> None:
    plugin = Plugin(count)
    score(b"id,x,y\na,1,u\n", plugin, DEFAULT)
    assert plugin.frames[0].to_dict("list") == {"x": [1.0], "y": ["u"]}


def test_a_predictor_with_names_is_given_its_columns_in_its_order() -> None:
    plugin = Plugin(count, feature_names_in_=["y", "x"])
    score(b"id,x,z,y\na,1,2,3\n", plugin, DEFAULT)
    assert plugin.frames[0].to_dict("list") == {"y": [3.0], "x": [1.0]}


def test_a_missing_column_fails_the_file_naming_it_and_the_nearest() -> None:
    with pytest.raises(SchemaMismatch, match=r"'length' \(nearest: 'lenght'\)"):
        score(b"id,lenght,width\na,1,2\n", MODEL, DEFAULT)


def test_a_kept_column_with_the_name_of_a_prediction_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="'total' is both a kept column and a prediction"):
        score(b"total,x\na,1\n", Plugin(total), DEFAULT)


def test_a_file_without_a_header_is_refused() -> None:
    with pytest.raises(Unparsable, match="looks like data"):
        score(b"1,5.1,3.5\n2,4.9,3.0\n", MODEL, DEFAULT)


@pytest.mark.parametrize("body", [b"id,length,width", b"id,length,width\n\n"])
def test_a_header_alone_gives_a_header_alone(body: bytes) -> None:
    scored = score(body, MODEL, DEFAULT)
    assert (scored.output, scored.rows, scored.rejected) == (b"id,activation\n", 0, 0)


def test_a_header_alone_is_asked_of_a_custom_predictor_without_rows() -> None:
    assert score(b"id,x\n", Plugin(total), DEFAULT).output == b"id,total\n"


def test_a_custom_predictor_that_needs_rows_fails_a_header_alone_clearly() -> None:
    plugin = Plugin(lambda frame: frame.iloc[[0]])
    with pytest.raises(PredictionFailed, match="IndexError on a table without rows"):
        score(b"id,x\n", plugin, DEFAULT)


def test_parquet_without_rows_keeps_its_schema() -> None:
    table = pa.table({"id": pa.array([], pa.int32()), "length": [], "width": []})
    found = from_parquet(score(as_parquet(table), MODEL, DEFAULT))
    assert found.schema == pa.schema([("id", pa.int32()), ("activation", pa.float64())])


def test_one_bad_cell_fails_the_file_naming_line_column_and_value() -> None:
    with pytest.raises(
        TooManyRejected,
        match=r"^1 of 2 rows .* WORKER_MAX_REJECTED=0 .*: line 3: column 'width' is 'abc', not a",
    ):
        score(b"id,length,width\na,1,2\nb,1,abc\n", MODEL, DEFAULT)


def test_one_row_with_too_few_cells_fails_the_file_naming_its_line() -> None:
    with pytest.raises(TooManyRejected, match="line 2: 2 cells where the header has 3"):
        score(b"id,length,width\na,1\n", MODEL, DEFAULT)


def bad_at_first(bad: str, good_rows: int) -> bytes:
    """Return a CSV file of 101 bad rows, followed by so many good ones."""
    return b"id,x\n" + f"{bad}\n".encode() * 101 + b"a,1\n" * good_rows


class CountedInput(MemoryInput):
    """Counts the bytes that were read."""

    delivered = 0

    def _read(self, ranges: Sequence[Range], number: int) -> Iterator[bytes]:
        for piece in super()._read(ranges, number):
            self.delivered += len(piece)
            yield piece


@pytest.mark.parametrize("bad", ["b", "b,one"], ids=["malformed", "not a number"])
def test_a_bad_file_fails_soon_after_the_rows_that_settle_it(bad: str) -> None:
    plugin = Plugin(total, numbers_only=True)
    file = CountedInput(bad_at_first(bad, 200 * BATCH_ROWS), first=100)
    with pytest.raises(TooManyRejected, match=r"^at least 101 of the first 20\d\d\d ") as caught:
        scoring.score(file, plugin, DEFAULT, MemoryOutput())
    assert "line 2: " in str(caught.value)
    assert str(caught.value).endswith("; and 91 more; the rest was not read")
    assert file.delivered < file.size / 2
    assert plugin.frames == []


def test_where_the_types_of_the_whole_file_decide_a_bad_file_is_read_to_its_end() -> None:
    plugin = Plugin(total, takes_missing=False)
    body = b"id,x\na,\n" + b"a,1\n" * 4 * BATCH_ROWS
    with pytest.raises(TooManyRejected, match=f"^1 of {4 * BATCH_ROWS + 1} rows are bad"):
        score(body, plugin, DEFAULT)


def test_after_a_bad_row_the_next_batch_is_counted_without_the_model() -> None:
    plugin = Plugin(total)
    body = b"id,x\n" + b"a,1\n" * BATCH_ROWS + b"b\n" + b"a,1\n" * (BATCH_ROWS - 1) + b"c\n"
    with pytest.raises(TooManyRejected, match=f"^2 of {2 * BATCH_ROWS + 1} rows are bad") as caught:
        score(body, plugin, DEFAULT)
    assert "line 10002: 1 cells" in str(caught.value)
    assert "line 20002: 1 cells" in str(caught.value)
    assert sum(len(frame) for frame in plugin.frames) <= BATCH_ROWS


def test_a_file_that_may_have_bad_rows_is_read_to_its_end() -> None:
    body = bad_at_first("b", 3 * BATCH_ROWS)
    with pytest.raises(TooManyRejected, match=f"^101 of {3 * BATCH_ROWS + 101} rows are bad"):
        score(body, Plugin(total), ScoreOptions(max_rejected=0.003))
    assert score(body, Plugin(total), ScoreOptions(max_rejected=0.004)).rejected == 101


def test_rejected_rows_of_many_batches_follow_each_other_under_one_header() -> None:
    body = b"id,x\n" + b"a,1\n" * BATCH_ROWS + b"b\nc,x\n" + b"a,1\n" * BATCH_ROWS + b"d\n"
    scored = score(body, Plugin(total, numbers_only=True), LENIENT)
    assert (scored.rows, scored.rejected) == (2 * BATCH_ROWS, 3)
    assert scored.rejects == (
        b"line,reason,row\n"
        b"10002,1 cells where the header has 2,b\n"
        b"10003,\"column 'x' is 'x', not a number\",\"c,x\"\n"
        b"20004,1 cells where the header has 2,d\n"
    )


def test_a_file_that_may_not_have_bad_rows_writes_none() -> None:
    output = MemoryOutput()
    with pytest.raises(TooManyRejected):
        scoring.score(MemoryInput(b"id,x\na\n"), Plugin(total), DEFAULT, output)
    assert output.rejects is None


def test_a_file_whose_columns_do_not_fit_opens_no_output() -> None:
    output = MemoryOutput()
    with pytest.raises(SchemaMismatch):
        scoring.score(MemoryInput(b"id,other\na,1\n"), MODEL, DEFAULT, output)
    assert output.form is None


def test_the_output_leaves_batch_by_batch() -> None:
    output = MemoryOutput()
    body = b"id,x\n" + b"a,1\n" * 3 * BATCH_ROWS
    scoring.score(MemoryInput(body), Plugin(count), DEFAULT, output)
    assert [piece.count(b"\n") for piece in output.written] == [BATCH_ROWS + 1, *[BATCH_ROWS] * 2]


def test_the_model_is_not_called_for_a_bad_file() -> None:
    plugin = Plugin(count)
    with pytest.raises(TooManyRejected):
        score(b"id,x\na,1\nb\n", plugin, DEFAULT)
    assert plugin.frames == []


def test_bad_rows_within_the_limit_are_written_with_line_reason_and_row() -> None:
    body = b'id,length,width\na,1,2\nb,"x,y",3\n\nc,1\nd,3,4\n'
    scored = score(body, MODEL, LENIENT)
    assert (scored.rows, scored.rejected, ids(scored)) == (2, 2, ["a", "d"])
    assert scored.rejects == (
        b"line,reason,row\n"
        b'3,"column \'length\' is \'x,y\', not a number","b,""x,y"",3"\n'
        b'5,2 cells where the header has 3,"c,1"\n'
    )


def test_the_predictions_beside_bad_rows_are_those_of_their_own_rows() -> None:
    scored = score(b"id,x\na,1\nb\nc,3\nd,4,4\ne,5\n", Plugin(total), LENIENT)
    assert lines(scored)[1:] == ["a,1", "c,3", "e,5"]


def test_the_limit_is_a_share_of_the_rows() -> None:
    rows = [f"{n},1,1" if n >= 29 else f"{n},1" for n in range(100)]
    body = "\n".join(["id,length,width", *rows]).encode()
    assert score(body, MODEL, ScoreOptions(max_rejected=0.29)).rejected == 29
    with pytest.raises(TooManyRejected, match="29 of 100"):
        score(body, MODEL, ScoreOptions(max_rejected=0.28))


def test_ten_bad_rows_are_shown_and_the_others_counted() -> None:
    body = b"id,length,width\n" + b"a,b\n" * 25
    with pytest.raises(TooManyRejected) as caught:
        score(body, MODEL, LENIENT)
    assert str(caught.value).count("line ") == 10
    assert str(caught.value).endswith("; and 15 more")


def test_all_rows_may_be_rejected() -> None:
    scored = score(b"id,length,width\na,x,y\n", MODEL, ScoreOptions(max_rejected=1.0))
    assert (scored.output, scored.rows, scored.rejected) == (b"id,activation\n", 0, 1)


def test_what_does_not_fit_a_model_of_numbers_is_a_bad_row_after_ten_thousand_rows_too() -> None:
    body = b"id,x\n" + b"a,1\n" * BATCH_ROWS + b"b,one\n"
    scored = score(body, Plugin(total, numbers_only=True), LENIENT)
    assert (scored.rows, scored.rejected) == (BATCH_ROWS, 1)
    assert b"10002,\"column 'x' is 'one', not a number\"" in (scored.rejects or b"")


def test_missing_values_go_through_to_a_predictor_that_takes_them() -> None:
    plugin = Plugin(count)
    assert score(b"id,x,y\na,,u\nb,2,NA\n", plugin, DEFAULT).rejected == 0
    assert plugin.frames[0].isna().to_numpy().tolist() == [[True, False], [False, True]]


def test_a_missing_value_is_a_bad_row_for_a_model_that_takes_none() -> None:
    with pytest.raises(TooManyRejected, match="line 3: column 'width' is missing, which the model"):
        score(b"id,length,width\na,1,2\nb,1,\n", MODEL, DEFAULT)


def test_a_bad_parquet_row_is_named_by_its_number() -> None:
    body = as_parquet(pa.table({"id": ["a", "b"], "length": [1.0, None], "width": [1, 2]}))
    with pytest.raises(TooManyRejected, match="row 2: column 'length' is missing"):
        score(body, MODEL, DEFAULT)
    scored = score(body, MODEL, LENIENT)
    assert from_parquet(scored)["id"].to_pylist() == ["a"]
    assert b'""length"": null' in (scored.rejects or b"")


def test_batches_have_a_fixed_number_of_rows() -> None:
    plugin = Plugin(total)
    body = b"id,x\n" + b"".join(b"%d,1\n" % n for n in range(2 * BATCH_ROWS + 5))
    assert score(body, plugin, DEFAULT).rows == 2 * BATCH_ROWS + 5
    assert [len(frame) for frame in plugin.frames] == [BATCH_ROWS, BATCH_ROWS, 5]


def test_an_error_of_the_model_is_reported_with_its_type() -> None:
    def refuses(_: pd.DataFrame) -> pd.DataFrame:
        raise KeyError("petals")

    with pytest.raises(PredictionFailed, match="the model raised KeyError: 'petals'") as caught:
        score(b"id,x\na,1\n", Plugin(refuses), DEFAULT)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_model_that_exits_fails_its_file_and_not_the_worker() -> None:
    def leaves(_: pd.DataFrame) -> pd.DataFrame:
        raise SystemExit(0)

    with pytest.raises(PredictionFailed, match="the model raised SystemExit: 0"):
        score(b"id,x\na,1\n", Plugin(leaves), DEFAULT)


@pytest.mark.parametrize("error", [MemoryError(), TransientError("feature store is down")])
def test_an_error_that_may_pass_is_not_taken_for_the_models(error: Exception) -> None:
    def fails(_: pd.DataFrame) -> pd.DataFrame:
        raise error

    with pytest.raises(type(error)):
        score(b"id,x\na,1\n", Plugin(fails), DEFAULT)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda frame: frame["x"], "answered a Series, not a DataFrame"),
        (lambda frame: pd.concat([frame, frame]), "answered 4 rows for 2"),
        (lambda frame: frame.iloc[:1], "answered 1 rows for 2"),
        (lambda _: pd.DataFrame({"p": [float("nan")] * 2}), r"\(NaN\) in 'p' for every row"),
        (
            lambda _: pd.DataFrame({"p": [None, None]}),
            r"missing values \(NaN\) in 'p' for every row",
        ),
        (lambda _: pd.DataFrame([[1, 2], [3, 4]], columns=["p", "p"]), "names that differ"),
        (lambda _: pd.DataFrame(index=[0, 1]), "names that differ"),
        (lambda _: pd.DataFrame({"p": [1, "a"]}, dtype=object), "no one type a column: 'p'"),
    ],
)
def test_an_answer_that_is_not_one_prediction_a_row_is_refused(
    answer: Callable[[pd.DataFrame], object], message: str
) -> None:
    with pytest.raises(PredictionFailed, match=message):
        score(b"id,x\na,1\nb,2\n", Plugin(answer), DEFAULT)


def test_answers_must_have_the_same_columns_in_every_batch() -> None:
    def fickle(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({f"p{len(frame)}": np.zeros(len(frame))})

    body = b"id,x\n" + b"a,1\n" * (BATCH_ROWS + 1)
    with pytest.raises(PredictionFailed, match=r"p10000 \(double\) for the first rows and p1 "):
        score(body, Plugin(fickle), DEFAULT)


def test_columns_named_by_numbers_are_answered_by_name() -> None:
    plugin = Plugin(lambda frame: pd.DataFrame(np.ones((len(frame), 2))))
    assert lines(score(b"id,x\na,1\n", plugin, DEFAULT)) == ["id,0,1", "a,1.0,1.0"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda frame: pd.DataFrame({"p": frame["x"]}).set_index(frame["x"] * 7),
        lambda frame: pd.DataFrame({"p": frame["x"]}).sort_values("p", ascending=False),
        lambda frame: frame.sample(frac=1, random_state=3),
    ],
)
def test_an_answer_under_another_index_is_refused_as_its_rows_may_be_out_of_order(
    answer: Callable[[pd.DataFrame], object],
) -> None:
    with pytest.raises(PredictionFailed, match="under another index"):
        score(b"id,x\na,1\nb,2\nc,3\n", Plugin(answer), DEFAULT)


def test_an_answer_whose_index_is_reset_stands_in_the_order_of_the_rows() -> None:
    plugin = Plugin(lambda frame: frame.set_index(frame["x"]).reset_index(drop=True))
    assert ids(score(b"id,x\na,1\nb,2\n", plugin, DEFAULT)) == ["a", "b"]


def test_infinite_predictions_are_predictions() -> None:
    plugin = Plugin(lambda frame: pd.DataFrame({"p": 1 / frame["x"]}))
    assert lines(score(b"id,x\na,0\nb,-0.0\n", plugin, DEFAULT)) == ["id,p", "a,inf", "b,-inf"]


def test_the_output_of_compressed_csv_is_compressed_the_same_way() -> None:
    plain = score(b"id,length,width\na,1,2\n", MODEL, DEFAULT)
    body = b"id,length,width\na,1,2\n"
    zipped = score(gzip.compress(body), MODEL, DEFAULT)
    assert gzip.decompress(zipped.output) == plain.output
    zstd = score(pa.compress(body, codec="zstd", asbytes=True), MODEL, DEFAULT)
    assert pa.CompressedInputStream(pa.BufferReader(zstd.output), "zstd").read() == plain.output
    assert [found.content_type for found in (plain, zipped, zstd)] == [
        "text/csv",
        "application/gzip",
        "application/zstd",
    ]
    assert {found.converted_to for found in (plain, zipped, zstd)} == {None}


def test_csv_can_be_turned_into_parquet_with_text_as_it_came() -> None:
    body = gzip.compress(b"id,length,width\n007,1,2\n")
    scored = score(body, MODEL, ScoreOptions(output_format="parquet"))
    assert scored.converted_to == "parquet"
    assert scored.content_type == "application/vnd.apache.parquet"
    found = from_parquet(scored)
    assert found.column_names == ["id", "activation"]
    assert found["id"].to_pylist() == ["007"]


def test_parquet_can_be_turned_into_csv() -> None:
    body = as_parquet(pa.table({"id": [7, None], "length": [1.0, 2.0], "width": [1.0, 2.0]}))
    scored = score(body, MODEL, ScoreOptions(output_format="csv", delimiter=";"))
    assert (scored.converted_to, scored.content_type) == ("csv", "text/csv")
    assert [line.split(";")[0] for line in lines(scored)] == ["id", "7", ""]


def test_a_format_that_is_already_the_inputs_converts_nothing() -> None:
    body = gzip.compress(b"id,length,width\na,1,2\n")
    scored = score(body, MODEL, ScoreOptions(output_format="csv"))
    assert scored.converted_to is None
    assert scored.output == score(body, MODEL, DEFAULT).output


def test_parquet_kept_columns_keep_type_and_nulls() -> None:
    times = pa.array([0, None], pa.timestamp("ms"))
    table = pa.table({"at": times, "length": [1, 2], "width": pa.array([1, 2], pa.float32())})
    found = from_parquet(score(as_parquet(table, compression="ZSTD"), MODEL, DEFAULT))
    assert found["at"].type == pa.timestamp("ms")
    assert found["at"].to_pylist()[1] is None


def test_another_encoding_is_kept_on_the_way_out() -> None:
    body = "naïve;x\né;1\n".encode("latin-1")
    scored = score(body, Plugin(count), ScoreOptions(encoding="latin-1"))
    assert scored.output.decode("latin-1") == "naïve;n\né;0\n"


def test_crlf_comes_in_and_lf_goes_out() -> None:
    assert score(b"id,x\r\na,1\r\n", Plugin(count), DEFAULT).output == b"id,n\na,0\n"


def test_the_same_bytes_give_the_same_bytes() -> None:
    table = pa.table({"id": ["a", "b"], "length": [1.0, 2.0], "width": [0.1, 0.2]})
    csv_body = b"id,length,width\na,1,2\nb,3,4\nc,x,y\n"
    for body in (csv_body, gzip.compress(csv_body), as_parquet(table)):
        first = score(body, MODEL, LENIENT)
        assert all(score(body, MODEL, LENIENT) == first for _ in range(5))


def test_scoring_leaves_no_thread_of_python_behind() -> None:
    before = threading.active_count()
    score(b"id,length,width\na,1,2\n", MODEL, DEFAULT)
    assert threading.active_count() == before
