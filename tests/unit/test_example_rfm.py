from pathlib import Path

import pandas as pd
import pytest

from examples.rfm.fit import write
from tests.support.whole_file import score
from worker.interfaces import ScoreOptions
from worker.models import Predictor, load_predictor

EXAMPLE = Path(__file__).parents[2] / "examples" / "rfm"
BEST = {"recency_days": 0, "orders": 99, "spent": 1e6}
WORST = {"recency_days": 9999, "orders": 1, "spent": 1.0}
MARKS = ["recency_days_mark", "orders_mark", "spent_mark"]


@pytest.fixture(name="predictor")
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Predictor:
    write(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLE))
    return load_predictor(tmp_path / "model.json", factory="rfm:RfmPredictor")


def test_the_best_customer_has_the_best_marks_and_the_worst_the_worst(predictor: Predictor) -> None:
    answer = predictor.predict(pd.DataFrame([BEST, WORST]))
    assert answer[MARKS].to_numpy().tolist() == [[5, 5, 5], [1, 1, 1]]
    assert list(answer["segment"]) == ["champion", "lost"]


def test_the_first_segment_that_fits_is_the_customers(predictor: Predictor) -> None:
    customers = [BEST | {"spent": 1.0}, BEST | {"orders": 1}, WORST | {"orders": 99}]
    answer = predictor.predict(pd.DataFrame(customers))
    assert list(answer["segment"]) == ["loyal", "new", "at risk"]


def test_it_scores_a_file_of_customers(predictor: Predictor, tmp_path: Path) -> None:
    done = score((tmp_path / "customers.csv").read_bytes(), predictor, ScoreOptions())
    header, first, *_ = done.output.decode().splitlines()
    assert header == ",".join(["customer", *MARKS, "segment"])
    assert first.startswith("00001,")
    assert (done.rows, done.rejected) == (500, 0)


def test_a_file_without_customers_has_the_columns_all_the_same(predictor: Predictor) -> None:
    done = score(b"customer,recency_days,orders,spent\n", predictor, ScoreOptions())
    assert done.output.decode() == ",".join(["customer", *MARKS, "segment"]) + "\n"


def test_a_customer_with_a_missing_measure_is_a_bad_row(predictor: Predictor) -> None:
    body = b"customer,recency_days,orders,spent\n1,3,2,9.5\n2,,2,9.5\n"
    done = score(body, predictor, ScoreOptions(max_rejected=0.5))
    assert (done.rows, done.rejected) == (1, 1)
