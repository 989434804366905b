"""One scikit-learn model of each kind, from the model file to its predictions."""

import io
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

from tests.support.whole_file import ScoredFile, score
from worker.errors import ModelError
from worker.interfaces import ScoreOptions
from worker.models import load_predictor

CHANCE = np.random.default_rng(7)
X = pd.DataFrame(CHANCE.random((60, 3)), columns=["a", "b", "c"])
TWO = (X.sum(axis=1) > 1.5).astype(int)
THREE = pd.cut(X["a"], 3, labels=["low", "mid", "top"]).astype(str)
LABELS = np.c_[TWO, X["a"] > 0.5].astype(int)
MIXED = X[["a"]].assign(colour=["red", "blue", "red"] * 20, size=["S", "L"] * 30)
TEXT = ["colour", "size"]


def saved(tmp_path: Path, model: object) -> Path:
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    return path


def scored(
    tmp_path: Path, model: object, frame: pd.DataFrame, *, rejected: float = 0
) -> ScoredFile:
    """Score a frame as CSV that pandas writes, with the model loaded from a file."""
    body = frame.rename_axis("id").reset_index().to_csv(index=False).encode()
    predictor = load_predictor(saved(tmp_path, model))
    return score(body, predictor, ScoreOptions(max_rejected=rejected))


CERTAIN = [
    DecisionTreeClassifier(max_depth=3),
    HistGradientBoostingClassifier(max_iter=3),
    KNeighborsClassifier(3),
    MLPClassifier((2,), max_iter=400, random_state=0, solver="lbfgs"),
    OneVsRestClassifier(LogisticRegression()),
    CalibratedClassifierCV(LinearSVC(), cv=2),
    GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {}, cv=2),
    VotingClassifier([("line", LogisticRegression())], voting="soft"),
    StackingClassifier([("line", LogisticRegression())], cv=2),
]
UNCERTAIN = [
    LinearSVC(),
    RidgeClassifier(),
    make_pipeline(StandardScaler(), SVC()),
    VotingClassifier([("line", LogisticRegression())]),
]
REGRESSORS = [
    Ridge(),
    GradientBoostingRegressor(n_estimators=3),
    HistGradientBoostingRegressor(max_iter=3),
    StackingRegressor([("line", Ridge()), ("tree", GradientBoostingRegressor(n_estimators=2))]),
    TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square),
    make_pipeline(make_union(StandardScaler(), "passthrough"), LinearRegression()),
]
DETECTORS = [IsolationForest(n_estimators=3), OneClassSVM(), EllipticEnvelope(random_state=0)]
CLUSTERERS = [KMeans(2, n_init=1), make_pipeline(StandardScaler(), MiniBatchKMeans(2, n_init=1))]
SEVERAL = [
    RandomForestClassifier(3),
    KNeighborsClassifier(3),
    MultiOutputClassifier(LogisticRegression()),
    ClassifierChain(LogisticRegression()),
    OneVsRestClassifier(LogisticRegression()),
    MLPClassifier((2,), max_iter=400, random_state=0, solver="lbfgs"),
    make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression())),
    MultiOutputRegressor(Ridge()),
    LinearRegression(),
]


def kind(model: object) -> str:
    return type(model).__name__


@pytest.mark.parametrize("model", CERTAIN, ids=kind)
def test_a_classifier_of_two_classes_gives_the_activation_of_the_second(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
) -> None:
    answer = load_predictor(saved(tmp_path, model.fit(X, TWO))).predict(X)
    assert list(answer.columns) == ["activation"]
    assert np.array_equal(answer["activation"], model.predict_proba(X)[:, 1])


@pytest.mark.parametrize("model", CERTAIN, ids=kind)
def test_a_classifier_of_more_classes_gives_its_prediction_and_an_activation_each(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
) -> None:
    answer = load_predictor(saved(tmp_path, model.fit(X, THREE))).predict(X)
    classes = ["activation_low", "activation_mid", "activation_top"]
    assert list(answer.columns) == ["prediction", *classes]
    assert list(answer["prediction"]) == list(model.predict(X))
    assert np.array_equal(answer[classes], model.predict_proba(X))


@pytest.mark.parametrize("y", [TWO.astype(bool), TWO.map({0: "no", 1: "yes"})])
def test_classes_may_be_booleans_or_strings(tmp_path: Path, y: pd.Series) -> None:
    model = LogisticRegression().fit(X, y)
    path = saved(tmp_path, model)
    assert list(load_predictor(path).predict(X).columns) == ["activation"]
    answer = load_predictor(path, method="predict").predict(X)
    assert list(answer["prediction"]) == list(model.predict(X))


@pytest.mark.parametrize("model", [*UNCERTAIN, *REGRESSORS, *DETECTORS, *CLUSTERERS], ids=kind)
def test_everything_else_gives_the_prediction(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
) -> None:
    answer = load_predictor(saved(tmp_path, model.fit(X, TWO))).predict(X)
    assert list(answer.columns) == ["prediction"]
    assert np.array_equal(answer["prediction"], model.predict(X))


@pytest.mark.parametrize("model", SEVERAL, ids=kind)
def test_several_outputs_and_several_labels_are_numbered(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
) -> None:
    answer = load_predictor(saved(tmp_path, model.fit(X, LABELS))).predict(X)
    assert list(answer.columns) == ["prediction_0", "prediction_1"]
    assert np.array_equal(answer, model.predict(X))


def test_a_clusterer_that_knows_only_its_own_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds a DBSCAN, which has no predict"):
        load_predictor(saved(tmp_path, DBSCAN().fit(X)))


@pytest.mark.parametrize("model", [LinearSVC(), IsolationForest(n_estimators=3)], ids=kind)
def test_a_decision_is_there_for_the_asking(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
) -> None:
    path = saved(tmp_path, model.fit(X, TWO))
    answer = load_predictor(path, method="decision_function").predict(X)
    assert list(answer.columns) == ["decision"]
    assert np.array_equal(answer["decision"], model.decision_function(X))


def test_a_decision_between_pairs_of_classes_is_refused(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")).fit(X, THREE)
    with pytest.raises(ModelError, match=r"Pipeline with decision_function_shape='ovo'.*'ovr'"):
        load_predictor(saved(tmp_path, model), method="decision_function")


ENCODERS = [
    OneHotEncoder(),
    OrdinalEncoder(),
    TargetEncoder(),
    OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2),
]


def encoded(encoder: object, final: object, number: object = "passthrough") -> Any:  # noqa: ANN401 - scikit-learn's
    return make_pipeline(ColumnTransformer([("n", number, ["a"]), ("t", encoder, TEXT)]), final)


@pytest.mark.parametrize("encoder", ENCODERS, ids=kind)
def test_columns_of_strings_reach_an_encoder_as_they_are(tmp_path: Path, encoder: object) -> None:
    model = encoded(encoder, HistGradientBoostingClassifier(max_iter=3)).fit(MIXED, TWO)
    answer = load_predictor(saved(tmp_path, model)).predict(MIXED)
    assert np.array_equal(answer["activation"], model.predict_proba(MIXED)[:, 1])


GAPS = X.assign(a=X["a"].mask(X.index % 10 == 0))
TEXT_GAPS = MIXED.assign(colour=MIXED["colour"].mask(MIXED.index % 10 == 0))
IMPUTED = make_pipeline(SimpleImputer(), LogisticRegression())


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), SVC()),
        GridSearchCV(LogisticRegression(), {}, cv=2),
        CalibratedClassifierCV(LinearSVC(), cv=2),
        VotingClassifier([("line", LogisticRegression())]),
        StackingClassifier([("line", LogisticRegression())], cv=2),
        MultiOutputRegressor(Ridge()),
    ],
    ids=kind,
)
def test_a_missing_number_is_a_bad_row_for_a_model_that_does_not_take_it(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
) -> None:
    y = LABELS if isinstance(model, MultiOutputRegressor) else TWO
    done = scored(tmp_path, model.fit(X, y), GAPS, rejected=0.1)
    assert (done.rows, done.rejected) == (54, 6)
    assert b"'a' is missing, which the model does not take" in (done.rejects or b"")


@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=3),
        DecisionTreeClassifier(max_depth=3),
        IMPUTED,
        make_pipeline(KNNImputer(), LogisticRegression()),
        GridSearchCV(IMPUTED, {}, cv=2),
        VotingClassifier([("line", IMPUTED)], voting="soft"),
        encoded(OneHotEncoder(), LogisticRegression(), SimpleImputer()),
    ],
    ids=kind,
)
def test_a_missing_number_goes_to_a_model_that_takes_it(
    tmp_path: Path,
    model: Any,  # noqa: ANN401 - scikit-learn's
) -> None:
    gaps = GAPS.assign(**MIXED[TEXT]) if "ColumnTransformer" in repr(model) else GAPS
    model.fit(gaps, TWO)
    done = scored(tmp_path, model, gaps)
    assert np.array_equal(activation(done), model.predict_proba(gaps)[:, 1])


@pytest.mark.parametrize("encoder", ENCODERS, ids=kind)
def test_a_missing_string_is_the_same_as_in_training(tmp_path: Path, encoder: object) -> None:
    model = encoded(encoder, HistGradientBoostingClassifier(max_iter=3)).fit(TEXT_GAPS, TWO)
    done = scored(tmp_path, model, TEXT_GAPS)
    assert np.array_equal(activation(done), model.predict_proba(TEXT_GAPS)[:, 1])


def test_gradient_boosting_knows_its_categories_in_columns_of_strings(tmp_path: Path) -> None:
    categories = TEXT_GAPS.astype(dict.fromkeys(TEXT, "category"))
    model = HistGradientBoostingClassifier(max_iter=9, min_samples_leaf=2).fit(categories, TWO)
    done = scored(tmp_path, model, categories)
    assert np.array_equal(activation(done), model.predict_proba(categories)[:, 1])


def activation(done: ScoredFile) -> pd.Series:
    return pd.read_csv(io.BytesIO(done.output))["activation"]
