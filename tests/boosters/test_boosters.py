"""Models of XGBoost and CatBoost, from the model file to their predictions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.support.boosters import CODE, COLOUR, FLOAT, ROWS, X, Y, loaded
from worker.columns import ColumnSpec
from worker.errors import ModelError

xgboost = pytest.importorskip("xgboost")
catboost = pytest.importorskip("catboost")

TEXT = X.astype({"colour": str, "code": int})
THREE = X["colour"].astype(str)
NUMBERS = X[["unit price", "flag"]].astype(float)
NAMES = ("unit price", "colour", "code", "flag")
HASHED = ColumnSpec("text", "refused")


def xgb_classifier(**settings: object) -> Any:  # noqa: ANN401 - xgboost is untyped
    return xgboost.XGBClassifier(n_estimators=5, n_jobs=1, **settings)


def cat_classifier(**settings: object) -> Any:  # noqa: ANN401 - catboost is untyped
    return catboost.CatBoostClassifier(
        iterations=5, verbose=0, thread_count=1, allow_writing_files=False, **settings
    )


def test_xgboost_keeps_names_types_and_categories(tmp_path: Path) -> None:
    predictor = loaded(tmp_path, xgb_classifier(enable_categorical=True).fit(X, Y))
    assert predictor.feature_names_in_ == NAMES
    assert predictor.column_specs == (FLOAT, COLOUR, CODE, FLOAT)
    assert not predictor.spaces_as_underscores


def test_xgboost_predicts_the_frame_that_its_specs_describe(tmp_path: Path) -> None:
    model = xgb_classifier(enable_categorical=True).fit(X, Y)
    frame = X.astype({"flag": float}).assign(
        colour=pd.Categorical(TEXT["colour"], ["blue", "green", "red"])
    )
    predictor = loaded(tmp_path, model)
    expected = model.predict_proba(X)[:, 1]
    assert np.array_equal(predictor.predict(frame)["activation"], expected)
    assert np.array_equal(predictor.predict(frame.iloc[:1])["activation"], expected[:1])


def test_xgboost_trained_on_an_array_takes_its_columns_by_position(tmp_path: Path) -> None:
    model = xgb_classifier().fit(NUMBERS.to_numpy(), Y)
    predictor = loaded(tmp_path, model)
    assert (predictor.feature_names_in_, predictor.n_features_in_) == (None, 2)
    assert predictor.column_specs == (FLOAT, FLOAT)
    expected = model.predict_proba(NUMBERS.to_numpy())[:, 1]
    assert np.array_equal(predictor.predict(NUMBERS)["activation"], expected)


def test_xgboost_names_its_classes_and_its_only_class(tmp_path: Path) -> None:
    codes = THREE.map({"blue": 0, "green": 1, "red": 2})
    answer = loaded(tmp_path, xgb_classifier().fit(NUMBERS, codes)).predict(NUMBERS)
    assert list(answer.columns) == ["prediction", *(f"activation_{code}" for code in range(3))]
    answer = loaded(tmp_path, xgb_classifier().fit(NUMBERS, [0] * ROWS)).predict(NUMBERS)
    assert list(answer.columns) == ["prediction", "activation_0"]
    assert (answer["activation_0"] > 0.99).all()


def test_a_regressor_of_xgboost_gives_the_prediction(tmp_path: Path) -> None:
    model = xgboost.XGBRegressor(n_estimators=5).fit(NUMBERS, X["unit price"])
    answer = loaded(tmp_path, model).predict(NUMBERS)
    assert np.array_equal(answer["prediction"], model.predict(NUMBERS))


def test_a_plain_booster_of_xgboost_is_refused_with_what_to_save(tmp_path: Path) -> None:
    model = xgb_classifier().fit(NUMBERS, Y)
    with pytest.raises(ModelError, match=r"xgboost\.Booster.*save the XGBClassifier"):
        loaded(tmp_path, model.get_booster())


@pytest.mark.parametrize("cat", [TEXT, TEXT.astype({"code": str}), X], ids=["int", "str", "cat"])
def test_catboost_takes_its_categories_as_text_whatever_they_were(
    tmp_path: Path, cat: pd.DataFrame
) -> None:
    model = cat_classifier(cat_features=["colour", "code"]).fit(cat, Y)
    predictor = loaded(tmp_path, model)
    assert predictor.feature_names_in_ == NAMES
    assert predictor.column_specs == (FLOAT, HASHED, HASHED, FLOAT)
    frame = TEXT.astype({"code": str, "flag": float})
    expected = model.predict_proba(cat)[:, 1]
    assert np.array_equal(predictor.predict(frame)["activation"], expected)
    assert np.array_equal(predictor.predict(frame.iloc[:1])["activation"], expected[:1])


def test_the_feature_count_of_catboost_is_not_believed(tmp_path: Path) -> None:
    model = cat_classifier().fit(NUMBERS, Y)
    predictor = loaded(tmp_path, model)
    assert predictor.n_features_in_ == 2
    assert predictor.feature_names_in_ == ("unit price", "flag")


def test_catboost_trained_on_an_array_takes_its_columns_by_position(tmp_path: Path) -> None:
    table = TEXT.astype({"code": str, "flag": float})
    model = cat_classifier(cat_features=[1, 2]).fit(table.to_numpy(), Y)
    predictor = loaded(tmp_path, model)
    assert (predictor.feature_names_in_, predictor.n_features_in_) == (None, 4)
    assert predictor.column_specs == (FLOAT, HASHED, HASHED, FLOAT)
    expected = model.predict_proba(table.to_numpy())[:, 1]
    assert np.array_equal(predictor.predict(table)["activation"], expected)


def test_a_regressor_of_catboost_gives_the_prediction(tmp_path: Path) -> None:
    model = catboost.CatBoostRegressor(iterations=5, verbose=0, allow_writing_files=False)
    model.fit(NUMBERS, X["unit price"])
    predictor = loaded(tmp_path, model)
    answer = predictor.predict(NUMBERS)
    assert np.array_equal(answer["prediction"], model.predict(NUMBERS))
    assert list(predictor.predict(NUMBERS.iloc[:0]).columns) == ["prediction"]


def test_catboost_names_its_classes(tmp_path: Path) -> None:
    answer = loaded(tmp_path, cat_classifier().fit(NUMBERS, THREE)).predict(NUMBERS)
    classes = [f"activation_{colour}" for colour in ("blue", "green", "red")]
    assert list(answer.columns) == ["prediction", *classes]


@pytest.mark.parametrize("model", [xgb_classifier(), cat_classifier()], ids=["xgboost", "catboost"])
def test_behind_an_encoder_the_encoder_speaks(tmp_path: Path, model: object) -> None:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("e", encoder, ["colour"])], remainder="passthrough")
    table = TEXT[["unit price", "colour", "flag"]]
    predictor = loaded(tmp_path, make_pipeline(columns, model).fit(table, Y))
    assert predictor.column_specs == (
        FLOAT,
        ColumnSpec("text", categories=("blue", "green", "red")),
        FLOAT,
    )
    assert len(predictor.predict(table)) == ROWS


def test_calibrated_catboost_keeps_its_names(tmp_path: Path) -> None:
    fitted = cat_classifier(cat_features=["colour", "code"]).fit(TEXT, Y)
    model = CalibratedClassifierCV(FrozenEstimator(fitted))  # CatBoost's own cannot be cloned
    predictor = loaded(tmp_path, model.fit(TEXT, Y))
    assert predictor.feature_names_in_ == NAMES
    assert predictor.column_specs == (FLOAT, HASHED, HASHED, FLOAT)
