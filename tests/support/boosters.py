"""What the tests of all boosters train on, and what a booster should say of it."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd

from worker.columns import ColumnSpec
from worker.models import load_predictor

_CHANCE = np.random.default_rng(3)
ROWS = 300
X = pd.DataFrame(
    {
        "unit price": _CHANCE.random(ROWS),
        "colour": pd.Categorical(_CHANCE.choice(["red", "blue", "green"], ROWS)),
        "code": pd.Categorical(_CHANCE.choice([10, 20, 30], ROWS)),
        "flag": _CHANCE.random(ROWS) > 0.5,
    }
)
Y = ((X["colour"] == "red") & (X["unit price"] > 0.3) | (X["code"] == 20)).astype(int)
FLOAT = ColumnSpec("float")
COLOUR = ColumnSpec("text", categories=("blue", "green", "red"), as_categorical=True)
CODE = ColumnSpec("int", categories=(10, 20, 30), as_categorical=True)


def loaded(tmp_path: Path, model: object) -> Any:  # noqa: ANN401 - a predictor
    """Return the predictor of a model that was saved and loaded."""
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    return load_predictor(path)
