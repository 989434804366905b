"""A scikit-learn model as a predictor."""

from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd

from worker.errors import ModelError
from worker.interfaces import PredictMethod
from worker.models.output_columns import Array, Columns, activations, named, tells_all
from worker.models.sklearn_introspection import final_step, takes_numbers_only


class SklearnPredictor:
    """A fitted scikit-learn model, or any object with its methods."""

    def __init__(self, model: Any, method: PredictMethod = "auto") -> None:  # noqa: ANN401 - as scikit-learn: untyped
        self._model = model
        classes = getattr(model, "classes_", None)
        several = isinstance(classes, list) or _is_multilabel(model)
        if several and method in {"predict_proba", "decision_function"}:
            raise ModelError(f"a {type(model).__name__} of several outputs has no one {method}")
        if method == "decision_function" and _decides_pairs(model):
            raise ModelError(
                f"a {type(model).__name__} with decision_function_shape='ovo' decides between "
                "pairs of classes, for which there are no columns: save it with 'ovr'"
            )
        self._classes = None if several else classes
        certain = self._classes is not None and hasattr(model, "predict_proba")
        self._method = "predict" if method == "auto" and not certain else method
        names = getattr(model, "feature_names_in_", None)
        self.feature_names_in_ = None if names is None else tuple(str(name) for name in names)
        self.n_features_in_: int | None = getattr(model, "n_features_in_", None)
        # Trained on an array, scikit-learn warns of column names.
        self._takes_array = names is None and self.n_features_in_ is not None
        self.numbers_only = takes_numbers_only(model)
        self.takes_missing = not self.numbers_only or self._survives(np.nan)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The answer as WORKER_PREDICT has it: `auto` gives classifiers their activations."""
        if not len(frame):
            return self._without_rows()
        rows = frame.to_numpy() if self._takes_array else frame
        # The threads of a forest add up its trees in any order, which shows in the last bit.
        with joblib.parallel_config(backend="sequential"):
            return pd.DataFrame(self._answer(lambda method: getattr(self._model, method)(rows)))

    def _answer(self, call: Callable[[str], Array]) -> Columns:
        if self._method == "predict":
            return named("prediction", call("predict"))
        if self._method == "decision_function":
            return named("decision", call("decision_function"), self._classes)
        answer = activations(call("predict_proba"), self._classes)
        if self._method == "auto" and not tells_all(self._classes):
            return named("prediction", call("predict")) | answer
        return answer

    def _without_rows(self) -> pd.DataFrame:
        if self._classes is not None:
            width = len(self._classes)
            decisions = 1 if tells_all(self._classes) else (1, width)
            answers = {
                "predict": np.asarray(self._classes[:1]),
                "predict_proba": np.zeros((1, width)),
                "decision_function": np.zeros(decisions),
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
            answer = self.predict(self._one_row(cell))
        except Exception:  # noqa: BLE001 - whatever the refusal is, it is one
            return False
        return not answer.isna().any(axis=None)

    def _one_row(self, cell: float) -> pd.DataFrame:
        row = np.full((1, self.n_features_in_ or 0), cell)
        return pd.DataFrame(row, columns=self.feature_names_in_)


def _is_multilabel(model: Any) -> bool:  # noqa: ANN401 - see above
    """Whether the classes do not exclude each other, so that two of them are two outputs."""
    final = final_step(model)
    # A neural network has one output for two classes, and two for two labels.
    classes = getattr(final, "classes_", ())
    several = tells_all(classes) and getattr(final, "n_outputs_", 1) == len(classes)
    return several or getattr(final, "multilabel_", False)


def _decides_pairs(model: Any) -> bool:  # noqa: ANN401 - see above
    return getattr(final_step(model), "decision_function_shape", None) == "ovo"
