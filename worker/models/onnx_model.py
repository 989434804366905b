"""An ONNX graph as a predictor: its inputs, its outputs, and a run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from worker.errors import ModelError, PredictionFailed, SchemaMismatch
from worker.interfaces import PredictMethod
from worker.models.output_columns import Array, Columns, activations, named, tells_all

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class Inputs:
    """One tensor of all columns by position, or several of one column each, by name."""

    def __init__(self, nodes: Sequence[Any]) -> None:
        for node in nodes:
            rows, *columns = node.shape or [0]
            if node.type not in _TYPES or len(columns) != 1 or isinstance(rows, int):
                raise ModelError(
                    f"the graph's input {node.name!r} is a {node.type} of the shape {node.shape}: "
                    "it must be of any number of rows, and of columns of numbers or strings"
                )
        wide = [node.name for node in nodes if node.shape[1] != 1]
        if len(nodes) > 1 and wide:
            raise ModelError(f"of several inputs each must be one column: {', '.join(wide)}")
        self._types = {node.name: _TYPES[node.type] for node in nodes}
        width = nodes[0].shape[1]
        self.names = tuple(self._types) if len(nodes) > 1 else None
        self.count = width if self.names is None and isinstance(width, int) else None
        texts = tuple(name for name, kind in self._types.items() if kind is np.object_)
        self.numbers_only = not texts
        self.text_columns = ("*",) if texts and self.names is None else texts

    def feed(self, frame: pd.DataFrame) -> dict[str, Array]:
        """The tensors of a table; raises SchemaMismatch where a value is of another type."""
        if self.names is not None:
            return {
                name: _cells(frame[name], kind).reshape(-1, 1) for name, kind in self._types.items()
            }
        ((name, kind),) = self._types.items()
        return {name: np.column_stack([_cells(column, kind) for _, column in frame.items()])}

    def made_up(self, width: int) -> dict[str, Array]:
        """A row of so many columns, of zeros and empty strings."""
        shape = (1, width if self.names is None else 1)
        return {
            name: np.full(shape, "" if kind is np.object_ else 0, kind)
            for name, kind in self._types.items()
        }


def _cells(column: pd.Series, kind: type[np.generic]) -> Array:
    # The runtime would write 1.0 for the text 1, and cut 1.5 to the integer 1.
    if kind is np.object_:
        if not pd.api.types.is_string_dtype(column):
            raise SchemaMismatch(
                f"column {column.name!r} is {column.dtype}, and the graph takes text"
            )
        return column.to_numpy(np.object_)  # a missing one as nan, which converters write as text
    if not pd.api.types.is_numeric_dtype(column):
        raise SchemaMismatch(f"column {column.name!r} is text, and the graph takes numbers")
    values = column.to_numpy()
    with np.errstate(all="ignore"):
        cells = values.astype(kind)
    exact = not issubclass(kind, np.floating)
    misfits = cells != values if exact else np.isfinite(values) & ~np.isfinite(cells)
    if misfits.any():
        raise SchemaMismatch(
            f"column {column.name!r} holds {values[misfits][0]}, which is no {kind.__name__}"
        )
    return cells


_LABELS = ("tensor(int64)", "tensor(string)")
_BOTH = ("first", "second")  # of two classes, whose names nobody will read
_MOST_OFF = 1e-3  # from a sum of 1, for many classes in 32 bits


class Outputs:
    """A graph's first output and, of a classifier, its probabilities."""

    def __init__(
        self, nodes: Sequence[Any], method: PredictMethod, classes: Sequence[object] | None
    ) -> None:
        first, *rest = nodes
        likely = [each.name for each in rest if _holds_probabilities(each)]
        if not _holds_labels(first) or method == "predict":
            likely = []
        if method == "decision_function" or (method == "predict_proba" and not likely):
            raise ModelError(f"the graph has no output for WORKER_PREDICT={method}")
        self.wanted = [first.name, *likely[:1]]
        self._labelled = method == "auto"
        self._classes = classes

    def columns(self, answers: Sequence[Any]) -> Columns:
        """The answers of a run by column; raises PredictionFailed where they have no meaning."""
        label, *rest = answers
        if not rest:
            return named("prediction", label)
        probabilities, classes = self._told_apart(rest[0])
        if (np.abs(probabilities.sum(axis=1) - 1) > _MOST_OFF).any():
            raise PredictionFailed(
                f"the graph's {self.wanted[1]!r} do not add up to 1, so they are no probabilities: "
                "WORKER_PREDICT=predict gives its labels"
            )
        answer = activations(probabilities, classes)
        if self._labelled and not tells_all(classes):
            return named("prediction", label) | answer
        return answer

    def _told_apart(self, probabilities: Any) -> tuple[Array, Sequence[object]]:  # noqa: ANN401 - a list or an array
        """A table of probabilities, and the classes that they are of."""
        if isinstance(probabilities, list):
            names = tuple(probabilities[0])
            rows = [[row[name] for name in names] for row in probabilities]
            return np.array(rows, np.float32), names
        width = probabilities.shape[1]
        classes = self._classes or (_BOTH if width == len(_BOTH) else ())
        if len(classes) != width:
            raise PredictionFailed(
                f"the graph answers {width} probabilities and not of which classes: "
                "its metadata needs classes_, or WORKER_PREDICT=predict gives its labels"
            )
        return probabilities, classes


def _holds_labels(node: Any) -> bool:  # noqa: ANN401 - the runtime is untyped
    return node.type in _LABELS and node.shape[1:] in ([], [1])


def _holds_probabilities(node: Any) -> bool:  # noqa: ANN401 - see above
    """Whether these are dictionaries of classes, or a table with the name that converters give."""
    if node.type.startswith("seq(map("):
        return True
    return (
        node.type.startswith("tensor(") and len(node.shape[1:]) == 1 and "prob" in node.name.lower()
    )


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
