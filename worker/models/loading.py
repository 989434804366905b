"""Loads a model file as a predictor: by a factory, or else by the file's suffix."""

# ruff: noqa: PLC0415 - skops and ONNX are slow to import, and ONNX need not be installed

import importlib
import operator
from pathlib import Path
from typing import Protocol

import joblib
import pandas as pd

from worker.errors import ModelError
from worker.interfaces import MODEL_SUFFIXES, PredictMethod
from worker.models.file_kinds import kind_of_no_model
from worker.models.sklearn_model import SklearnPredictor
from worker.models.versions import load_checked


class Predictor(Protocol):
    """Predicts from a table of features; for a table without rows it returns its columns.

    A predictor may have more attributes:

    - `feature_names_in_`: the names of its columns.
    - `n_features_in_`: how many columns it takes by position.
    - `numbers_only`: if true, a cell that is not a number makes its row a bad row.
    - `takes_missing`: if false, a missing cell makes its row a bad row.
    - `text_columns`: the names of columns (`*` for all) that stay text if they look like numbers.
    - `column_types`: `float`, `int`, `bool` or `text` by the name of a column.
    - `column_specs`: a `worker.columns.ColumnSpec` for each column in order, or None.
    - `spaces_as_underscores`: if true, its names have underscores where a file may have spaces.
    """

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return one row of predictions for each row of features, in the same order."""
        ...


def load_predictor(
    path: Path, *, method: PredictMethod = "auto", factory: str | None = None
) -> Predictor:
    """Load a predictor by `factory` (`package.module:name`), or else by the path's suffix.

    Raises ModelError.
    """
    if factory is not None:
        return _load_by_factory(factory, path)
    if kind := kind_of_no_model(path):
        raise ModelError(f"{path} is no model: it is {kind}")
    suffix = path.suffix.lower()
    if suffix not in MODEL_SUFFIXES:
        raise ModelError(f"{path}: the suffix must be one of {' '.join(MODEL_SUFFIXES)}")
    if suffix == ".onnx":
        return _load_onnx(path, method)
    model = load_checked(path, _load_skops if suffix == ".skops" else joblib.load)
    chosen = "predict" if method == "auto" else method
    for name in dict.fromkeys(("predict", chosen)):
        if not callable(getattr(model, name, None)):
            raise ModelError(f"{path} holds a {type(model).__name__}, which has no {name}")
    return SklearnPredictor(model, method)


def _load_skops(path: Path) -> object:
    """Load a model of types that skops trusts; raises ModelError naming every other type."""
    import skops.io

    if untrusted := skops.io.get_untrusted_types(file=path):
        raise ModelError(
            f"{path} holds types that skops does not trust, and nothing of it was loaded: "
            + ", ".join(untrusted)
        )
    model: object = skops.io.load(path, trusted=[])
    return model


def _load_onnx(path: Path, method: PredictMethod) -> Predictor:
    try:
        from worker.models.onnx_model import OnnxPredictor
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} needs {error.name}, which is not installed: pip install 'tidegate[onnx]', "
            "or build the image with --build-arg REQUIREMENTS=onnx"
        ) from error
    return OnnxPredictor(path, method)


def _load_by_factory(factory: str, path: Path) -> Predictor:
    module, _, name = factory.partition(":")
    try:
        predictor: Predictor = operator.attrgetter(name)(importlib.import_module(module))(path)
    except BaseException as error:  # a module may raise SystemExit, which must not end the worker
        raise ModelError(
            f"WORKER_PREDICTOR={factory} failed on {path}: {type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(predictor, "predict", None)):
        raise ModelError(
            f"WORKER_PREDICTOR={factory} made a {type(predictor).__name__}, which has no predict"
        )
    return predictor
