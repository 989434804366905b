"""Models of LightGBM, from the model file to their predictions."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.support.boosters import CODE, COLOUR, FLOAT, ROWS, X, Y, loaded
from worker.columns import ColumnSpec
from worker.models import SklearnPredictor
from worker.models.column_specs import find_columns

NUMBERS = X[["unit price", "flag"]]


def classifier() -> Any:  # noqa: ANN401 - lightgbm is untyped
    return lightgbm.LGBMClassifier(n_estimators=5, verbose=-1)


def described(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame as the specs describe it: numbers as floats, exactly the categories."""
    return pd.DataFrame(
        {
            "unit_price": frame["unit price"],
            "colour": pd.Categorical(frame["colour"].astype(str), ["blue", "green", "red"]),
            "code": pd.Categorical(frame["code"].astype(int), [10, 20, 30]),
            "flag": frame["flag"].astype(float),
        }
    )


def test_names_and_categories_are_read_from_the_saved_model(tmp_path: Path) -> None:
    predictor = loaded(tmp_path, classifier().fit(X, Y))
    assert predictor.feature_names_in_ == ("unit_price", "colour", "code", "flag")
    assert predictor.spaces_as_underscores
    assert predictor.column_specs == (FLOAT, COLOUR, CODE, FLOAT)
    assert not predictor.numbers_only


def test_a_model_predicts_the_frame_that_its_specs_describe(tmp_path: Path) -> None:
    model = classifier().fit(X, Y)
    answer = loaded(tmp_path, model).predict(described(X))
    assert list(answer.columns) == ["activation"]
    assert np.array_equal(answer["activation"], model.predict_proba(X)[:, 1])


def test_one_row_of_one_category_is_predicted_as_in_the_whole_table(tmp_path: Path) -> None:
    model = classifier().fit(X, Y)
    answer = loaded(tmp_path, model).predict(described(X).iloc[:1])
    assert answer["activation"][0] == model.predict_proba(X)[0, 1]


def test_a_plain_booster_predicts_too(tmp_path: Path) -> None:
    booster = lightgbm.train({"verbose": -1, "objective": "binary"}, lightgbm.Dataset(X, Y), 5)
    predictor = loaded(tmp_path, booster)
    assert predictor.feature_names_in_ == ("unit_price", "colour", "code", "flag")
    assert predictor.column_specs == (FLOAT, COLOUR, CODE, FLOAT)
    answer = predictor.predict(described(X))
    assert np.array_equal(answer["prediction"], booster.predict(X))


def test_a_model_trained_on_an_array_takes_its_columns_by_position(tmp_path: Path) -> None:
    model = classifier().fit(NUMBERS.to_numpy(float), Y)
    predictor = loaded(tmp_path, model)
    assert (predictor.feature_names_in_, predictor.n_features_in_) == (None, 2)
    assert predictor.column_specs == (FLOAT, FLOAT)
    frame = NUMBERS.astype(float)
    assert np.array_equal(
        predictor.predict(frame)["activation"], model.predict_proba(frame.to_numpy())[:, 1]
    )


def test_a_regressor_gives_the_prediction(tmp_path: Path) -> None:
    model = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1).fit(X, X["unit price"])
    predictor = loaded(tmp_path, model)
    answer = predictor.predict(described(X))
    assert np.array_equal(answer["prediction"], model.predict(X))
    assert list(predictor.predict(described(X).iloc[:0]).columns) == ["prediction"]


def test_a_classifier_of_one_class_names_it(tmp_path: Path) -> None:
    model = classifier().fit(NUMBERS, ["only"] * ROWS)
    answer = loaded(tmp_path, model).predict(NUMBERS.astype(float))
    assert list(answer.columns) == ["prediction", "activation_only"]
    assert set(answer["prediction"]) == {"only"}
    assert (answer["activation_only"] > 0.99).all()


@pytest.mark.parametrize(
    "wrap",
    [
        make_pipeline,
        lambda model: GridSearchCV(model, {}, cv=2),
        lambda model: CalibratedClassifierCV(model, cv=2),
    ],
)
def test_wrappers_of_scikit_learn_keep_names_and_categories(tmp_path: Path, wrap: Any) -> None:  # noqa: ANN401 - a function of a model
    model = wrap(classifier()).fit(X, Y)
    predictor = loaded(tmp_path, model)
    assert predictor.spaces_as_underscores
    assert predictor.column_specs == (FLOAT, COLOUR, CODE, FLOAT)
    renamed = X.rename(columns={"unit price": "unit_price"})
    assert predictor.predict(described(X)).equals(SklearnPredictor(model).predict(renamed))


def test_behind_an_encoder_the_columns_have_their_own_names() -> None:
    columns = ColumnTransformer(
        [("e", OneHotEncoder(handle_unknown="ignore"), ["colour"])],
        remainder=StandardScaler(),
    )
    table = X[["unit price", "colour", "flag"]]
    model = make_pipeline(columns, classifier())
    model.set_output(transform="pandas")
    columns.set_params(sparse_threshold=0)
    columns.transformers[0][1].set_params(sparse_output=False)
    predictor = SklearnPredictor(model.fit(table, Y))
    assert predictor.feature_names_in_ == ("unit price", "colour", "flag")
    assert not predictor.spaces_as_underscores
    assert predictor.column_specs == (
        FLOAT,
        ColumnSpec("text", categories=("blue", "green", "red")),
        FLOAT,
    )


def test_categories_that_cannot_be_matched_with_columns_are_left_to_pandas() -> None:
    ordered = X.assign(colour=X["colour"].cat.as_ordered())
    assert set(find_columns(classifier().fit(ordered, Y), 4).specs) == {None}


def test_a_category_that_no_tree_uses_is_matched_all_the_same() -> None:
    table = X.assign(code=pd.Categorical([7] * ROWS))
    specs = find_columns(classifier().fit(table, Y), 4).specs
    assert specs[1:3] == (COLOUR, ColumnSpec("int", categories=(7,), as_categorical=True))


def test_categories_that_are_numbers_are_whole_and_booleans_stay_booleans(tmp_path: Path) -> None:
    table = pd.DataFrame({"code": X["code"].astype(int), "flag": X["flag"], "x": X["unit price"]})
    model = classifier().fit(table, Y, categorical_feature=["code", "flag"])
    predictor = loaded(tmp_path, model)
    assert predictor.column_specs == (ColumnSpec("int"), FLOAT, FLOAT)
    frame = table.astype({"flag": float})
    assert np.array_equal(predictor.predict(frame)["activation"], model.predict_proba(table)[:, 1])
