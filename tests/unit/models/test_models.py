import pickle
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from structlog.testing import capture_logs

from worker.errors import ModelError
from worker.models import SklearnPredictor, load_predictor

CHANCE = np.random.default_rng(5)
X = pd.DataFrame(CHANCE.random((60, 3)), columns=["a", "b", "c"])
TWO = (X.sum(axis=1) > 1.5).astype(int)
THREE = pd.cut(X["a"], 3, labels=["low", "mid", "top"]).astype(str)
COLOURS = pd.DataFrame({"colour": ["red", "blue"] * 30})


def saved(tmp_path: Path, model: object, name: str = "model.pkl") -> Path:
    path = tmp_path / name
    joblib.dump(model, path)
    return path


@pytest.mark.parametrize("name", ["model.pkl", "model.pickle", "model.joblib", "MODEL.PKL"])
def test_a_pickled_model_is_loaded_by_its_suffix(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, LogisticRegression().fit(X, TWO), name)
    assert list(load_predictor(path).predict(X).columns) == ["activation"]


def test_a_plain_pickle_is_loaded_too(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(LinearRegression().fit(X, TWO)))
    assert len(load_predictor(path).predict(X)) == len(X)


@pytest.mark.parametrize("compress", [3, "gzip", "bz2", "lzma"])
def test_a_model_may_be_compressed_by_joblib(tmp_path: Path, compress: Any) -> None:  # noqa: ANN401 - joblib's
    path = tmp_path / "model.joblib"
    joblib.dump(LinearRegression().fit(X, TWO), path, compress=compress)
    assert len(load_predictor(path).predict(X)) == len(X)


def test_an_unknown_suffix_is_refused_naming_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.h5.*\.pkl \.pickle \.joblib \.skops \.onnx"):
        load_predictor(tmp_path / "model.h5")


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps(X)[:-9]])
def test_what_cannot_be_unpickled_is_an_error_with_path_and_cause(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.pkl cannot be loaded: \w+: "):
        load_predictor(path)


def test_a_missing_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.pkl cannot be loaded: FileNotFoundError"):
        load_predictor(tmp_path / "model.pkl")


def test_what_does_not_predict_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds a dict, which has no predict"):
        load_predictor(saved(tmp_path, {"weights": [1]}))


def test_a_method_the_model_lacks_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path, LinearRegression().fit(X, TWO))
    with pytest.raises(ModelError, match="LinearRegression, which has no predict_proba"):
        load_predictor(path, method="predict_proba")


def written_by(version: str, model: Any, path: Path) -> Path:  # noqa: ANN401 - scikit-learn's
    """Save a model as if that version of scikit-learn had done it."""
    model.__class__ = type(type(model).__name__, (type(model),), {})
    state = model.__getstate__() | {"_sklearn_version": version}
    model.__class__ = type(model).__mro__[1]
    path.write_bytes(pickle.dumps(_Stated(type(model), state)))
    return path


class _Stated:
    """Pickles as an estimator with the state given."""

    def __init__(self, kind: type, state: dict[str, object]) -> None:
        self._kind, self._state = kind, state

    def __reduce__(self) -> tuple[object, ...]:
        return self._kind, (), self._state


def test_another_minor_version_of_scikit_learn_is_refused_naming_both(tmp_path: Path) -> None:
    path = written_by("1.2.3", LogisticRegression().fit(X, TWO), tmp_path / "model.pkl")
    with pytest.raises(
        ModelError, match=rf"scikit-learn 1\.2\.3 and this is {sklearn.__version__}"
    ):
        load_predictor(path)


def test_another_patch_of_scikit_learn_is_logged(tmp_path: Path) -> None:
    patch = ".".join([*sklearn.__version__.split(".")[:2], "99"])
    path = written_by(patch, LogisticRegression().fit(X, TWO), tmp_path / "model.pkl")
    with capture_logs() as logs:
        load_predictor(path)
    assert [(log["log_level"], log["written"], log["running"]) for log in logs] == [
        ("warning", patch, sklearn.__version__)
    ]


NEWER = "9" + sklearn.__version__[1:]


def with_changes(path: Path, *changes: tuple[str, str]) -> Path:
    """Save a model, and replace words in its pickle by others of the same length."""
    content = pickle.dumps(LogisticRegression().fit(X, TWO))
    for old, new in changes:
        assert old.encode() in content
        assert len(old) == len(new)
        content = content.replace(old.encode(), new.encode())
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("change", [("_logistic", "_logical_"), ("Logistic", "Logicist")])
def test_a_model_of_what_only_a_newer_scikit_learn_has_is_refused_naming_both(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    path = with_changes(tmp_path / "model.pkl", change, (sklearn.__version__, NEWER))
    with pytest.raises(ModelError, match=f"written by scikit-learn {NEWER} and this is"):
        load_predictor(path)


def test_a_missing_module_of_a_model_is_named_as_one_that_the_image_must_hold(
    tmp_path: Path,
) -> None:
    path = with_changes(tmp_path / "model.pkl", ("sklearn.linear_model", "our_lib.linear_model"))
    with pytest.raises(ModelError, match="the model needs our_lib, and the image must hold it"):
        load_predictor(path)


def test_a_factory_makes_the_predictor_from_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "custom_predictor.py").write_text(
        "class Twice:\n"
        "    def __init__(self, path): self.path = path\n"
        "    def predict(self, frame): return frame * 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "weights.bin"
    predictor = load_predictor(path, factory="custom_predictor:Twice")
    assert getattr(predictor, "path", None) == path
    assert predictor.predict(X).equals(X * 2)


@pytest.mark.parametrize(
    ("factory", "cause"),
    [
        ("no.such.module:make", "ModuleNotFoundError"),
        ("pathlib:make", "AttributeError"),
        ("pathlib:", "AttributeError"),
        ("pathlib:Path.rmdir", "FileNotFoundError"),
    ],
)
def test_a_factory_that_fails_is_an_error_with_its_cause(
    tmp_path: Path, factory: str, cause: str
) -> None:
    with pytest.raises(ModelError, match=f"WORKER_PREDICTOR={factory} failed on .*{cause}"):
        load_predictor(tmp_path / "none", factory=factory)


def test_a_factory_must_make_something_that_predicts(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="made a str, which has no predict"):
        load_predictor(tmp_path, factory="os:fspath")


def test_two_classes_give_the_activation_of_the_second() -> None:
    model = LogisticRegression().fit(X, TWO)
    answer = SklearnPredictor(model).predict(X)
    assert list(answer.columns) == ["activation"]
    assert np.array_equal(answer["activation"], model.predict_proba(X)[:, 1])


def test_more_classes_give_the_prediction_and_an_activation_each() -> None:
    model = LogisticRegression().fit(X, THREE)
    answer = SklearnPredictor(model).predict(X)
    assert list(answer.columns) == [
        "prediction",
        "activation_low",
        "activation_mid",
        "activation_top",
    ]
    assert list(answer["prediction"]) == list(model.predict(X))
    assert np.array_equal(answer.iloc[:, 1:], model.predict_proba(X))


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression().fit(X, TWO),
        LinearSVC().fit(X, THREE),
        KMeans(2, n_init=1, random_state=0).fit(X),
        IsolationForest(n_estimators=5, random_state=0).fit(X),
    ],
)
def test_everything_else_gives_the_prediction(model: Any) -> None:  # noqa: ANN401 - scikit-learn's
    answer = SklearnPredictor(model).predict(X)
    assert list(answer.columns) == ["prediction"]
    assert list(answer["prediction"]) == list(model.predict(X))


def test_several_outputs_are_numbered() -> None:
    both = np.c_[TWO, 1 - TWO]
    for model in (LinearRegression().fit(X, both), RandomForestClassifier(3).fit(X, both)):
        assert list(SklearnPredictor(model).predict(X).columns) == ["prediction_0", "prediction_1"]


def test_several_outputs_have_no_one_probability() -> None:
    model = RandomForestClassifier(3).fit(X, np.c_[TWO, 1 - TWO])
    with pytest.raises(ModelError, match="several outputs has no one predict_proba"):
        SklearnPredictor(model, "predict_proba")


def test_the_method_can_be_chosen() -> None:
    two, three = LogisticRegression().fit(X, TWO), LogisticRegression().fit(X, THREE)
    classes = ["low", "mid", "top"]
    for model, method, columns in (
        (two, "predict", ["prediction"]),
        (two, "predict_proba", ["activation"]),
        (two, "decision_function", ["decision"]),
        (three, "predict", ["prediction"]),
        (three, "predict_proba", [f"activation_{name}" for name in classes]),
        (three, "decision_function", [f"decision_{name}" for name in classes]),
    ):
        predictor = SklearnPredictor(model, method)  # type: ignore[arg-type] # strings of the list above
        assert list(predictor.predict(X).columns) == columns
        assert list(predictor.predict(X.iloc[:0]).columns) == columns


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression().fit(X, TWO),
        LogisticRegression().fit(X, THREE),
        LinearRegression().fit(X, TWO),
        LinearRegression().fit(X, np.c_[TWO, TWO]),
        KMeans(2, n_init=1, random_state=0).fit(X),
    ],
)
def test_without_rows_the_columns_and_their_types_are_the_same(model: Any) -> None:  # noqa: ANN401 - scikit-learn's
    predictor = SklearnPredictor(model)
    empty, full = predictor.predict(X.iloc[:0]), predictor.predict(X)
    assert len(empty) == 0
    assert dict(empty.dtypes) == dict(full.dtypes)


def test_without_rows_a_model_of_categories_still_has_its_column() -> None:
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(COLOURS, range(60))
    assert list(SklearnPredictor(model).predict(COLOURS.iloc[:0]).columns) == ["prediction"]


def test_a_model_trained_on_an_array_is_given_one() -> None:
    model = LogisticRegression().fit(X.to_numpy(), TWO)
    predictor = SklearnPredictor(model)
    assert (predictor.feature_names_in_, predictor.n_features_in_) == (None, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(predictor.predict(X)) == len(X)


def test_a_pipeline_names_its_columns() -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, TWO)
    assert SklearnPredictor(model).feature_names_in_ == ("a", "b", "c")


def test_a_forest_of_many_jobs_answers_the_same_bits_every_time() -> None:
    model = RandomForestClassifier(60, n_jobs=4, max_depth=2, random_state=0).fit(X, TWO)
    predictor = SklearnPredictor(model)
    answers = {predictor.predict(X)["activation"].to_numpy().tobytes() for _ in range(10)}
    assert len(answers) == 1


CATEGORIES = ColumnTransformer([("colour", OneHotEncoder(), ["colour"])])
SCALED = make_pipeline(StandardScaler(), LogisticRegression())
SELECTED = make_pipeline(ColumnTransformer([("a", StandardScaler(), ["a"])]), LogisticRegression())
IMPUTED = make_pipeline(SimpleImputer(), "passthrough", LogisticRegression())
ENCODED = make_pipeline(OneHotEncoder(), LogisticRegression())
FREE = make_pipeline(FunctionTransformer(), LogisticRegression())
BOOSTED = HistGradientBoostingClassifier(max_iter=2)
CHOSEN = GridSearchCV(SCALED, {"standardscaler": [OneHotEncoder()]}, cv=2)


class Own(LogisticRegression):  # type: ignore[misc] # scikit-learn is untyped
    """A model that is not of scikit-learn itself, so its inputs are unknown."""


@pytest.mark.parametrize(
    ("model", "frame", "numbers_only", "takes_missing"),
    [
        (LogisticRegression(), X, True, False),
        (SCALED, X, True, False),
        (GridSearchCV(SCALED, {}, cv=2), X, True, False),
        (VotingClassifier([("one", SCALED)]), X, True, False),
        (StackingClassifier([("one", SCALED)], Own(), cv=2), X, False, True),
        (IMPUTED, X, True, True),
        (BOOSTED, X, True, True),
        (BOOSTED, COLOURS.astype("category"), False, True),
        (VotingClassifier([("one", BOOSTED)]), COLOURS.astype("category"), False, True),
        (ENCODED, COLOURS, False, True),
        (VotingClassifier([("one", ENCODED)]), COLOURS, False, True),
        (CHOSEN, COLOURS, False, True),
        (make_pipeline(CATEGORIES, LogisticRegression()), COLOURS, False, True),
        (SELECTED, X.assign(note="dropped"), False, True),
        (FREE, X, False, True),
        (Own(), X, False, True),
        (make_pipeline(Own()), X, False, True),
    ],
)
def test_what_is_known_of_a_models_inputs_is_an_attribute_of_the_predictor(
    model: Any,  # noqa: ANN401 - scikit-learn's
    frame: pd.DataFrame,
    *,
    numbers_only: bool,
    takes_missing: bool,
) -> None:
    predictor = SklearnPredictor(sklearn.clone(model).fit(frame, TWO))
    assert (predictor.numbers_only, predictor.takes_missing) == (numbers_only, takes_missing)


class Bare:
    """An estimator with `fit` but without the tags that scikit-learn's own estimators have."""

    def fit(self) -> None:
        """Nothing to learn."""


def test_an_estimator_without_tags_makes_the_inputs_unknown() -> None:
    model = CalibratedClassifierCV(LinearSVC(), cv=2).fit(X, TWO)
    model.estimator = Bare()
    predictor = SklearnPredictor(model)
    assert (predictor.numbers_only, predictor.takes_missing) == (False, True)
