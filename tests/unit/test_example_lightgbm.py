from pathlib import Path

import joblib
import pandas as pd
import pytest

from examples.lightgbm.train import FEATURES, PLANS, write
from tests.support.whole_file import score
from tidegate.image.requirements import by_name
from worker.interfaces import ScoreOptions
from worker.models import load_predictor

EXAMPLE = Path(__file__).parents[2] / "examples" / "lightgbm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lightgbm")
    write(folder)
    return folder


def test_a_worker_predicts_the_file_of_customers_as_lightgbm_does(folder: Path) -> None:
    done = score(
        (folder / "customers.csv").read_bytes(),
        load_predictor(folder / "model.pkl"),
        ScoreOptions(),
    )

    customers = pd.read_csv(folder / "customers.csv")
    plans = pd.Categorical(customers["plan"], PLANS)
    expected = joblib.load(folder / "model.pkl").predict_proba(
        customers[FEATURES].assign(plan=plans)
    )
    header, *rows = done.output.decode().splitlines()
    assert header == "customer,activation"
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx(expected[:, 1], rel=1e-12)


def test_its_requirements_are_what_the_image_lacks() -> None:
    assert list(by_name((EXAMPLE / "requirements.txt").read_text())) == ["lightgbm"]
