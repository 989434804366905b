import io

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.support.whole_file import ScoredFile, score
from worker.errors import ModelRaised, PredictionFailed, TooManyRejected
from worker.formats import Features
from worker.interfaces import ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring.batches import BATCH_ROWS
from worker.scoring.checks import GIVE_UP_AFTER, rows_that_raise

FRAME = pd.DataFrame({"a": range(40), "colour": ["red", "blue"] * 20})
COLUMNS = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["colour"]))
PIPELINE = make_pipeline(COLUMNS, LogisticRegression()).fit(FRAME, [0, 1] * 20)
MODEL = SklearnPredictor(PIPELINE)
LENIENT = ScoreOptions(max_rejected=0.2)


def body(rows: int = 30, **cells: str) -> bytes:
    """Return rows with a number and a colour; `cells` replaces some, by column and row number."""
    lines = [
        f"{row},{cells.get(f'a{row}', row)},{cells.get(f'colour{row}', 'red')}"
        for row in range(rows)
    ]
    return "\n".join(["id,a,colour", *lines, ""]).encode()


def rejects(done: ScoredFile) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(done.rejects or b""))


def test_rows_that_the_model_raises_on_are_bad_rows_with_the_first_line_of_its_message() -> None:
    done = score(body(a3="", colour17="", colour29="purple"), MODEL, LENIENT)
    assert (done.rows, done.rejected) == (27, 3)
    table = rejects(done)
    assert list(table["line"]) == [5, 19, 31]
    assert table["reason"][0] == "the model raised ValueError: Input X contains NaN."
    assert "'purple'" in table["reason"][2]
    assert list(table["row"]) == ["3,,red", "17,17,", "29,29,purple"]


def test_the_other_rows_are_predicted_as_if_the_raising_rows_were_not_there() -> None:
    without = score(body().replace(b"17,17,red\n", b""), MODEL, LENIENT)
    assert score(body(colour17="purple"), MODEL, LENIENT).output == without.output


def test_a_row_with_a_bad_cell_and_a_row_that_the_model_raises_on_are_both_reported() -> None:
    done = score(body(colour3="purple").replace(b"9,9,red", b"9,nine,red"), MODEL, LENIENT)
    assert list(rejects(done)["line"]) == [5, 11]


def test_without_a_limit_the_file_fails_naming_them() -> None:
    with pytest.raises(TooManyRejected, match=r"2 of 30 rows are bad.*line 3.*blue1.*line 31.*pur"):
        score(body(colour1="blue1", colour29="purple"), MODEL, ScoreOptions())


def test_the_count_is_at_least_that_if_the_model_was_not_called_for_all_rows() -> None:
    many = body(BATCH_ROWS + 5, colour1="purple", colour10003="purple")
    with pytest.raises(TooManyRejected, match=r"^at least 1 of 10005 rows are bad"):
        score(many, MODEL, ScoreOptions())


def test_a_model_that_raises_on_every_row_fails_the_file() -> None:
    all_purple = body().replace(b"red", b"purple")
    with pytest.raises(PredictionFailed, match="purple"):
        score(all_purple, MODEL, ScoreOptions(max_rejected=1))


def test_once_a_model_has_predicted_it_may_raise_on_a_whole_batch() -> None:
    done = score(body(BATCH_ROWS + 1, colour10000="purple"), MODEL, LENIENT)
    assert (done.rows, done.rejected) == (BATCH_ROWS, 1)


class Fussy:
    """A model that raises on some values of x, and counts its calls."""

    def __init__(self, *refuses: int) -> None:
        self._refuses = refuses
        self.calls = 0

    def __call__(self, frame: Features) -> None:
        self.calls += 1
        assert isinstance(frame, pd.DataFrame)
        assert frame.index.equals(pd.RangeIndex(len(frame)))
        if frame["x"].isin(self._refuses).any():
            raise ModelRaised(f"refuses {frame['x'].tolist()}")


def numbers(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(rows)})


def test_one_row_among_thousands_costs_a_few_calls() -> None:
    model = Fussy(7000)
    assert rows_that_raise(model, numbers(10_000), has_predicted=False) == {7000: "refuses [7000]"}
    assert model.calls < 40


def test_a_model_that_raises_on_every_row_is_not_called_for_each_of_them() -> None:
    model = Fussy(*range(10_000))
    assert rows_that_raise(model, numbers(10_000), has_predicted=False) == {}
    assert model.calls < 3 * GIVE_UP_AFTER


def test_a_model_that_raises_on_tables_but_on_no_single_row_rejects_none() -> None:
    def predict(frame: Features) -> None:
        if len(frame) > 1:
            raise ModelRaised("one at a time")

    assert rows_that_raise(predict, numbers(8), has_predicted=False) == {}


class Overwriting:
    """Squares its column in place, and raises on one row."""

    feature_names_in_ = ("a",)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame["a"] = frame["a"] ** 2
        if (frame["a"] == 9).any():
            raise ValueError("three")
        return frame


def test_a_predictor_that_writes_to_its_frame_gets_the_values_of_the_file_again() -> None:
    done = score(body(5), Overwriting(), LENIENT)
    assert done.output.decode().split() == ["id,a", "0,0", "1,1", "2,4", "4,16"]
