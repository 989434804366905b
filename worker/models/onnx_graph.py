"""An ONNX graph as a predictor."""

import json
from pathlib import Path
from typing import Any

import onnxruntime
import pandas as pd

from worker.errors import ModelError, PredictionFailed
from worker.models.columns import Array, Columns
from worker.models.onnx_inputs import Inputs
from worker.models.onnx_outputs import Outputs
from worker.models.predictor import PredictMethod

# As JSON in a graph's metadata, which has no other place for them.
_SAID = ("feature_names_in_", "takes_missing", "classes_")
_NOTHING_LOGGED = 4  # all that goes wrong is raised


class OnnxPredictor:
    """An ONNX graph; its metadata may say `feature_names_in_`, `classes_` and `takes_missing`.

    Missing values must be declared: a graph that was not made for them need not fail on them.
    """

    def __init__(self, path: Path, method: PredictMethod = "auto") -> None:
        self._session = _opened(path)
        said = _said(self._session, path)
        self._inputs = Inputs(self._session.get_inputs())
        self._outputs = Outputs(self._session.get_outputs(), method, said.get("classes_"))
        names = self._inputs.names or said.get("feature_names_in_")
        self.feature_names_in_ = None if names is None else tuple(names)
        self.n_features_in_ = self._inputs.count or (names and len(names))
        if names and self.n_features_in_ != len(names):
            raise ModelError(f"{path} takes {self.n_features_in_} columns and names {len(names)}")
        self.numbers_only = self._inputs.numbers_only
        self.text_columns = self._inputs.text_columns
        self.takes_missing = bool(said.get("takes_missing", False))
        self._try_out(path)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The answer as WORKER_PREDICT has it: `auto` gives classifiers their activations."""
        if not len(frame):
            return pd.DataFrame(self._run(self._inputs.made_up(len(frame.columns)))).iloc[:0]
        return pd.DataFrame(self._run(self._inputs.feed(frame)))

    def _run(self, feed: dict[str, Array]) -> Columns:
        return self._outputs.columns(self._session.run(self._outputs.wanted, feed))

    def _try_out(self, path: Path) -> None:
        """Let what is wrong with the answer to any row be said at once."""
        if self.n_features_in_ is None:
            return
        try:
            self._run(self._inputs.made_up(self.n_features_in_))
        except PredictionFailed as error:
            raise ModelError(f"{path}: {error}") from error
        except Exception:  # noqa: BLE001 - a made-up row may be nothing the graph knows
            return


def _opened(path: Path) -> Any:  # noqa: ANN401 - the runtime is untyped
    options = onnxruntime.SessionOptions()
    # Threads share out a sum in as many parts as there are, which shows in the last bit.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = _NOTHING_LOGGED
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own have no public base
        raise ModelError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error


def _said(session: Any, path: Path) -> dict[str, Any]:  # noqa: ANN401 - see above
    metadata = session.get_modelmeta().custom_metadata_map
    try:
        return {name: json.loads(metadata[name]) for name in _SAID if name in metadata}
    except ValueError as error:
        raise ModelError(f"{path} has metadata that is no JSON: {error}") from error
