"""A scikit-learn model as a predictor."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from worker.errors import ModelError
from worker.interfaces import PredictMethod
from worker.models.nameless import without_names
from worker.models.output_columns import Array, Columns, activation_columns, is_binary, name_columns
from worker.models.sklearn_inputs import SklearnInputs, find_inputs, typical_cell
from worker.models.sklearn_introspection import (
    final_step,
    overwrites_input,
    takes_numbers_only,
)


class SklearnPredictor:
    """Predicts with a fitted scikit-learn model, or any object with the same methods.

    Raises ModelError if the model has no single output for the method.
    """

    def __init__(self, model: Any, method: PredictMethod = "auto") -> None:  # noqa: ANN401 - scikit-learn is untyped
        if type(model).__module__ == "xgboost.core":
            raise ModelError(
                "an xgboost.Booster predicts only from xgboost's own DMatrix: save the "
                "XGBClassifier or XGBRegressor that has it"
            )
        self.model = model
        self._classes = _single_output_classes(model, method)
        has_probabilities = self._classes is not None and hasattr(model, "predict_proba")
        self._method = "predict" if method == "auto" and not has_probabilities else method
        inputs = find_inputs(model)
        self.feature_names_in_ = inputs.names
        self.n_features_in_ = inputs.width
        self.spaces_as_underscores = inputs.spaces_as_underscores
        self._overwrites = overwrites_input(model)
        self._takes_series = inputs.takes_documents
        self._as_objects = inputs.as_objects
        self._narrow = inputs.narrow
        self._array_type = np.object_ if inputs.as_objects or inputs.is_exact else None
        # scikit-learn warns of column names if the model was trained on an array.
        self._takes_array = inputs.names is None and inputs.width is not None
        self.numbers_only = takes_numbers_only(model)
        # One row of missing values shows more of a model of numbers than its parts say.
        self.column_specs = () if self.numbers_only else inputs.specs
        gaps = self._answer_to(np.nan) if self.numbers_only else None
        self.takes_missing = not self.numbers_only or self.n_features_in_ is None
        if gaps is not None:
            self.takes_missing = not gaps.isna().any(axis=None)
        self._nameless: Any = None
        self.takes_block = self.numbers_only and self._takes_block(inputs, gaps)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the prediction columns that WORKER_PREDICT asks for.

        For `auto` these are a classifier's activations, and the predictions of other models.
        """
        if not len(frame):
            return self._predict_no_rows()
        return pd.DataFrame(
            self._columns(lambda method: _call(self.model, method, self._rows(frame)))
        )

    def predict_block(self, block: npt.NDArray[np.float64]) -> Columns:
        """Return what `predict` returns for a frame of these columns; for at least one row.

        It costs a fraction of the time of a frame, if `takes_block`. The block is in the order of
        a frame's memory, column by column, as sums depend on that. It is read-only.
        """
        return self._columns(lambda method: _call(self._nameless, method, block))

    def _rows(self, frame: pd.DataFrame) -> Any:  # noqa: ANN401 - what the model takes
        """Return the frame as the model was trained on one; the model may write to it."""
        frame = frame.copy(deep=self._overwrites)
        if self._takes_series:  # a vectorizer would take the names of a frame's columns for texts
            return frame.iloc[:, 0]
        names = self.feature_names_in_
        if names is not None and len(frame.columns) < len(names):
            # Columns that the model drops may be absent; the parts around it still count them.
            frame = frame.reindex(columns=list(names))
        self._narrow_floats(frame)
        if self._takes_array:
            return frame.to_numpy(self._array_type)
        for position in self._as_objects:
            frame.isetitem(position, frame.iloc[:, position].to_numpy(object))
        return frame

    def _narrow_floats(self, frame: pd.DataFrame) -> None:
        for position, dtype in self._narrow:
            column = frame.iloc[:, position]
            if column.dtype.kind in "iuf":
                with np.errstate(over="ignore"):  # a number too large for it is infinite
                    frame.isetitem(position, column.to_numpy().astype(dtype))

    def _columns(self, call: Callable[[str], Array]) -> Columns:
        """Return the prediction columns; `call` calls a method of the model, by its name."""
        if self._method == "predict":
            return name_columns("prediction", call("predict"))
        if self._method == "decision_function":
            return name_columns("decision", call("decision_function"), self._classes)
        activations = activation_columns(call("predict_proba"), self._classes)
        if self._method == "auto" and not is_binary(self._classes):
            return name_columns("prediction", call("predict")) | activations
        return activations

    def _predict_no_rows(self) -> pd.DataFrame:
        """Return the prediction columns without rows; many models refuse a table without rows."""
        if self._classes is not None:
            width = len(self._classes)
            decisions = 1 if is_binary(self._classes) else (1, width)
            one_row = {
                "predict": np.asarray(self._classes[:1]),
                "predict_proba": np.zeros((1, width)),
                "decision_function": np.zeros(decisions),
            }
            return pd.DataFrame(self._columns(one_row.__getitem__)).iloc[:0]
        try:  # only a prediction shows how many outputs there are
            return self.predict(self._typical_row()).iloc[:0]
        except Exception:  # noqa: BLE001 - the model may refuse such a row with any error
            return pd.DataFrame({"prediction": np.empty(0)})

    def _takes_block(self, inputs: SklearnInputs, gaps: pd.DataFrame | None) -> bool:
        """Return whether an array of floats gives the same predictions as a frame.

        One row is tried. The frame shows that all parts of the model know its columns by the same
        names, and the array that none of them asks for names.
        """
        if self.n_features_in_ is None or inputs.depends_on_columns:
            return False
        if type(self) is not SklearnPredictor:  # a subclass may predict otherwise
            return False
        value, expected = np.nan, gaps
        with warnings.catch_warnings(), suppress(Exception):  # the model may refuse the row
            warnings.simplefilter("ignore")
            if expected is None or not self.takes_missing:
                value, expected = 1.0, self._answer_to(1.0)
            self._nameless = without_names(self.model)
            warnings.simplefilter("error")
            answer = self.predict_block(self._uniform_row(value).to_numpy())
            return expected is not None and expected.equals(pd.DataFrame(answer))
        return False

    def _answer_to(self, value: float) -> pd.DataFrame | None:
        """Return the answer to one row of this value; None if the model refuses such a row."""
        if self.n_features_in_ is None:
            return None
        try:
            return self.predict(self._uniform_row(value))
        except Exception:  # noqa: BLE001 - the model may refuse such a row with any error
            return None

    def _uniform_row(self, value: float) -> pd.DataFrame:
        row = np.full((1, self.n_features_in_ or 0), value)
        return pd.DataFrame(row, columns=self.feature_names_in_)

    def _typical_row(self) -> pd.DataFrame:
        """Return a row with a value for each column that the model takes, as far as is known."""
        if not self.column_specs:
            return self._uniform_row(0.0)
        names = self.feature_names_in_ or range(len(self.column_specs))
        return pd.DataFrame(
            {name: typical_cell(spec) for name, spec in zip(names, self.column_specs, strict=True)}
        )


def _call(model: Any, method: str, rows: Any) -> Array:  # noqa: ANN401 - see above
    # A forest's threads add up its trees in any order, which changes the last bit of the sum.
    with joblib.parallel_config(backend="sequential"):
        answer: Array = getattr(model, method)(rows)
    return answer


def _single_output_classes(model: Any, method: PredictMethod) -> Any:  # noqa: ANN401 - see above
    """Return the classes of a classifier with one output; None for other models.

    Raises ModelError if the method has no single output.
    """
    classes = getattr(model, "classes_", None)
    if classes is not None and not len(classes):  # CatBoost's regressors have an empty list
        classes = None
    has_several_outputs = isinstance(classes, list) or _is_multilabel(model)
    if has_several_outputs and method in {"predict_proba", "decision_function"}:
        raise ModelError(f"a {type(model).__name__} of several outputs has no one {method}")
    if method == "decision_function" and _decides_one_vs_one(model):
        raise ModelError(
            f"a {type(model).__name__} with decision_function_shape='ovo' decides between "
            "pairs of classes, for which there are no columns: save it with 'ovr'"
        )
    return None if has_several_outputs else classes


def _is_multilabel(model: Any) -> bool:  # noqa: ANN401 - see above
    """Return whether the classes are labels that do not exclude each other: each is an output."""
    final = final_step(model)
    # A neural network has one output for two classes, and two outputs for two labels.
    classes = getattr(final, "classes_", ())
    has_two_labels = is_binary(classes) and getattr(final, "n_outputs_", 1) == len(classes)
    return has_two_labels or getattr(final, "multilabel_", False)


def _decides_one_vs_one(model: Any) -> bool:  # noqa: ANN401 - see above
    return getattr(final_step(model), "decision_function_shape", None) == "ovo"
