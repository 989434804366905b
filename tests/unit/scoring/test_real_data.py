"""scikit-learn's own data sets, each predicted by a suitable model."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.support.tables import csv, json_lines, parquet
from tests.support.whole_file import score
from worker.interfaces import ScoreOptions
from worker.models import SklearnPredictor

Answer = Callable[[BaseEstimator, pd.DataFrame], pd.DataFrame]


def activation(model: BaseEstimator, table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"activation": model.predict_proba(table)[:, 1]})


def activations(model: BaseEstimator, table: pd.DataFrame) -> pd.DataFrame:
    names = [f"activation_{label}" for label in model.classes_]
    answer = pd.DataFrame(model.predict_proba(table), columns=names)
    answer.insert(0, "prediction", model.predict(table))
    return answer


def prediction(model: BaseEstimator, table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"prediction": model.predict(table)})


def predictions(model: BaseEstimator, table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(model.predict(table)).add_prefix("prediction_")


DATA_SETS = {
    "iris": (load_iris, LogisticRegression(max_iter=1000), activations),
    "wine": (load_wine, RandomForestClassifier(20, random_state=0), activations),
    "breast cancer": (load_breast_cancer, HistGradientBoostingClassifier(max_iter=10), activation),
    "diabetes": (load_diabetes, GradientBoostingRegressor(n_estimators=20), prediction),
    "digits": (load_digits, make_pipeline(StandardScaler(), KNeighborsClassifier()), activations),
    "linnerud": (load_linnerud, LinearRegression(), predictions),
}
FORMATS: dict[str, tuple[Callable[[pd.DataFrame], bytes], Callable[[Any], pd.DataFrame]]] = {
    "csv": (csv, pd.read_csv),
    "jsonl": (json_lines, lambda body: pd.read_json(body, lines=True, precise_float=True)),
    "parquet": (parquet, pd.read_parquet),
}


@pytest.mark.parametrize(("load", "model", "answer"), DATA_SETS.values(), ids=DATA_SETS)
def test_a_data_set_is_predicted_as_in_memory_in_every_format(
    load: Callable[..., Any], model: BaseEstimator, answer: Answer
) -> None:
    table, target = load(return_X_y=True, as_frame=True)
    model.fit(table, target)
    expected = answer(model, table)
    numbered = table.rename_axis("row").reset_index()
    for name, (write, read) in FORMATS.items():
        scored = score(write(numbered), SklearnPredictor(model), ScoreOptions())
        found = read(io.BytesIO(scored.output))
        assert list(found) == ["row", *expected], name
        assert list(found["row"]) == list(numbered["row"]), name
        np.testing.assert_allclose(found[list(expected)], expected, rtol=1e-12, err_msg=name)
