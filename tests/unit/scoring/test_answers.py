"""What becomes of answers that are not one dense number or word for each row."""

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix  # type: ignore[import-untyped] # it ships no types
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from tests.support.whole_file import ScoredFile, score
from worker.errors import PredictionFailed, TooManyRejected
from worker.interfaces import ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring.batches import BATCH_ROWS

LENIENT = ScoreOptions(max_rejected=0.5)
BODY = b"id,x\na,1\nb,2\nc,3\n"


class Answers:
    """A predictor that answers what a function makes of the column `x`."""

    def __init__(self, answer: Callable[["pd.Series[float]"], object], name: str = "p") -> None:
        self._answer = answer
        self._name = name

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({self._name: self._answer(frame["x"])})


def hole_at(*values: float) -> Answers:
    return Answers(lambda x: x.astype(float).mask(x.isin(values)))


def rejects(done: ScoredFile) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(done.rejects or b""))


def test_nan_for_one_row_is_a_bad_row_with_line_and_reason() -> None:
    done = score(BODY, hole_at(2), LENIENT)
    assert done.output == b"id,p\na,1.0\nc,3.0\n"
    assert list(rejects(done)["line"]) == [3]
    assert rejects(done)["reason"][0] == "the model answered a missing value (NaN) in 'p'"


def test_none_for_one_row_is_a_bad_row() -> None:
    done = score(BODY, Answers(lambda x: [None if v == 2 else "word" for v in x]), LENIENT)
    assert done.output == b"id,p\na,word\nc,word\n"
    assert done.rejected == 1


def test_nan_for_one_row_fails_the_file_if_no_bad_row_is_allowed() -> None:
    with pytest.raises(TooManyRejected, match=r"1 of 3 rows.*line 3: the model answered.*NaN"):
        score(BODY, hole_at(2), ScoreOptions())


def test_nan_for_more_rows_than_the_share_that_is_allowed_fails_the_file() -> None:
    with pytest.raises(TooManyRejected, match=r"2 of 3 rows are bad"):
        score(BODY, hole_at(2, 3), LENIENT)


def test_nan_for_every_row_fails_the_file_whatever_is_allowed() -> None:
    with pytest.raises(PredictionFailed, match=r"missing values \(NaN\) in 'p' for every row"):
        score(BODY, hole_at(1, 2, 3), ScoreOptions(max_rejected=1))


def test_once_a_model_has_answered_it_may_answer_nan_for_a_whole_batch() -> None:
    body = b"id,x\n" + b"a,1\n" * BATCH_ROWS + b"b,2\n"
    done = score(body, hole_at(2), LENIENT)
    assert (done.rows, done.rejected) == (BATCH_ROWS, 1)


def test_nan_beside_a_bad_cell_and_a_row_that_the_model_raises_on_are_all_reported() -> None:
    def answer(x: "pd.Series[float]") -> object:
        if (x == 3).any():
            raise ValueError("no threes")
        return x.mask(x == 2)

    body = b"id,x\na,1\nb,2\nc,3\nd,?\n" + b"e,5\n" * 10
    predictor = Answers(answer)
    predictor.numbers_only = True  # type: ignore[attr-defined] # read by its name
    done = score(body, predictor, LENIENT)
    assert list(rejects(done)["line"]) == [3, 4, 5]
    assert done.rows == 11


def test_an_infinite_answer_is_an_answer() -> None:
    assert score(BODY, Answers(lambda x: x * np.inf), LENIENT).output.count(b",inf\n") == 3


def test_a_sparse_matrix_is_made_dense() -> None:
    table = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
    labels = np.array([[0, 1], [0, 1], [1, 0], [1, 1]])
    dense = SklearnPredictor(OneVsRestClassifier(LogisticRegression()).fit(table, labels))
    sparse = SklearnPredictor(
        OneVsRestClassifier(LogisticRegression()).fit(table, csr_matrix(labels))
    )
    assert list(sparse.predict(table).columns) == ["prediction_0", "prediction_1"]
    assert score(BODY, sparse, LENIENT).output == score(BODY, dense, LENIENT).output


def test_a_sparse_column_is_made_dense() -> None:
    answered = Answers(lambda x: pd.arrays.SparseArray(x.to_numpy(float)))
    assert score(BODY, answered, LENIENT).output == b"id,p\na,1.0\nb,2.0\nc,3.0\n"
