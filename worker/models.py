"""Load a model, and give it the one shape the rest knows: a frame in, a frame out."""

import importlib
import operator
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import sklearn
import structlog
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline

from worker.errors import ModelError

PredictMethod = Literal["auto", "predict", "predict_proba", "decision_function"]
Array = npt.NDArray[Any]
SUFFIXES = (".pkl", ".pickle", ".joblib")
_TWO = 2

logger = structlog.get_logger()


class Predictor(Protocol):
    """Anything that predicts; without rows it still answers with its columns.

    It may say more of itself: `feature_names_in_` (its columns, by name), `n_features_in_` (how
    many it takes by position), `numbers_only` (a cell that is no number makes a bad row) and
    `takes_missing` (if false, a missing cell makes a bad row).
    """

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row of predictions for each row of features, in their order."""
        ...


def load_predictor(
    path: Path, *, method: PredictMethod = "auto", factory: str | None = None
) -> Predictor:
    """Load what predicts, by `factory` (`package.module:name`) or else by the path's suffix."""
    if factory is not None:
        return _made_by(factory, path)
    if path.suffix.lower() not in SUFFIXES:
        raise ModelError(f"{path}: the suffix must be one of {' '.join(SUFFIXES)}")
    model = _unpickled(path)
    wanted = "predict" if method == "auto" else method
    for name in dict.fromkeys(("predict", wanted)):
        if not callable(getattr(model, name, None)):
            raise ModelError(f"{path} holds a {type(model).__name__}, which has no {name}")
    return SklearnPredictor(model, method)


class SklearnPredictor:
    """A fitted scikit-learn model, or any object with its methods."""

    def __init__(self, model: Any, method: PredictMethod = "auto") -> None:  # noqa: ANN401 - as scikit-learn: untyped
        self._model = model
        classes = getattr(model, "classes_", None)
        several = isinstance(classes, list)  # of class arrays, one for each output
        if several and method in {"predict_proba", "decision_function"}:
            raise ModelError(f"a {type(model).__name__} of several outputs has no one {method}")
        self._classes = None if several else classes
        certain = self._classes is not None and hasattr(model, "predict_proba")
        self._method = "predict" if method == "auto" and not certain else method
        names = getattr(model, "feature_names_in_", None)
        self.feature_names_in_ = None if names is None else tuple(str(name) for name in names)
        self.n_features_in_: int | None = getattr(model, "n_features_in_", None)
        # Trained on an array, scikit-learn warns of column names.
        self._takes_array = names is None and self.n_features_in_ is not None
        self.numbers_only = _takes_numbers_only(model)
        self.takes_missing = not self.numbers_only or self._survives(np.nan)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The answer as WORKER_PREDICT has it: `auto` gives classifiers their activations."""
        if not len(frame):
            return self._without_rows()
        rows = frame.to_numpy() if self._takes_array else frame
        # The threads of a forest add up its trees in any order, which shows in the last bit.
        with joblib.parallel_config(backend="sequential"):
            return pd.DataFrame(self._answer(lambda method: getattr(self._model, method)(rows)))

    def _answer(self, call: Callable[[str], Array]) -> dict[str, Array]:
        if self._method == "predict":
            return _named("prediction", call("predict"))
        if self._method == "decision_function":
            return _named("decision", call("decision_function"), self._classes)
        activations = call("predict_proba")
        if self._classes is not None and len(self._classes) == _TWO:
            return {"activation": activations[:, 1]}
        answer = _named("activation", activations, self._classes)
        if self._method == "auto":
            return _named("prediction", call("predict")) | answer
        return answer

    def _without_rows(self) -> pd.DataFrame:
        if self._classes is not None:
            width = len(self._classes)
            answers = {
                "predict": np.asarray(self._classes[:1]),
                "predict_proba": np.zeros((1, width)),
                "decision_function": np.zeros((1, width) if width > _TWO else 1),
            }
            return pd.DataFrame(self._answer(answers.__getitem__)).iloc[:0]
        try:  # Only an answer tells how many outputs there are.
            return self.predict(self._one_row(0.0)).iloc[:0]
        except Exception:  # noqa: BLE001 - a made-up row may be nothing the model knows
            return pd.DataFrame({"prediction": np.empty(0)})

    def _survives(self, cell: float) -> bool:
        if self.n_features_in_ is None:
            return True
        try:
            self.predict(self._one_row(cell))
        except Exception:  # noqa: BLE001 - whatever the refusal is, it is one
            return False
        return True

    def _one_row(self, cell: float) -> pd.DataFrame:
        row = np.full((1, self.n_features_in_ or 0), cell)
        return pd.DataFrame(row, columns=self.feature_names_in_)


def _named(stem: str, values: Array, labels: Sequence[object] | None = None) -> dict[str, Array]:
    """One column by the stem's own name, several by the stem and the class or else the place."""
    values = np.asarray(values)
    if values.ndim == 1 or values.shape[1] == 1:
        return {stem: values.reshape(len(values))}
    if labels is None or len(labels) != values.shape[1]:
        labels = range(values.shape[1])
    return {f"{stem}_{label}": values[:, place] for place, label in enumerate(labels)}


def _takes_numbers_only(model: object) -> bool:
    """Whether every column must hold numbers: certain for scikit-learn's own plain steps only."""
    if isinstance(model, Pipeline):
        steps = [step for _, step in model.steps if step is not None and step != "passthrough"]
        return all(_takes_numbers_only(step) for step in steps)
    if not isinstance(model, BaseEstimator) or not type(model).__module__.startswith("sklearn."):
        return False
    if any(
        isinstance(value, (BaseEstimator, list)) for value in model.get_params(deep=False).values()
    ):
        return False
    tags = model.__sklearn_tags__()
    return not (
        tags.no_validation
        or tags.input_tags.string
        or tags.input_tags.categorical
        or getattr(model, "is_categorical_", None) is not None
    )


def _unpickled(path: Path) -> object:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", InconsistentVersionWarning)
        try:
            model: object = joblib.load(path)
        except BaseException as error:  # a module's SystemExit is no end of ours
            _judge_versions(path, seen)
            raise ModelError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    _judge_versions(path, seen)
    return model


def _judge_versions(path: Path, seen: Sequence[warnings.WarningMessage]) -> None:
    """Refuse a model of another major.minor of scikit-learn, and log one of another patch."""
    mismatches = [
        each.message for each in seen if isinstance(each.message, InconsistentVersionWarning)
    ]
    for written in {mismatch.original_sklearn_version for mismatch in mismatches}:
        if written.split(".")[:2] != sklearn.__version__.split(".")[:2]:
            raise ModelError(
                f"{path} was written by scikit-learn {written} and this is {sklearn.__version__}: "
                "write it again with this version, or run that one"
            )
        logger.warning(
            "model of another scikit-learn patch", written=written, running=sklearn.__version__
        )


def _made_by(factory: str, path: Path) -> Predictor:
    module, _, name = factory.partition(":")
    try:
        predictor: Predictor = operator.attrgetter(name)(importlib.import_module(module))(path)
    except BaseException as error:  # as above
        raise ModelError(
            f"WORKER_PREDICTOR={factory} failed on {path}: {type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(predictor, "predict", None)):
        raise ModelError(
            f"WORKER_PREDICTOR={factory} made a {type(predictor).__name__}, which has no predict"
        )
    return predictor
