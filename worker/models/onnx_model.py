"""An ONNX graph as a predictor: its inputs, its outputs, and how it is run."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from worker.columns import ColumnSpec
from worker.errors import ModelError, PredictionFailed, SchemaMismatch
from worker.interfaces import PredictMethod
from worker.models.file_kinds import kind_of_text
from worker.models.output_columns import Array, Columns, activation_columns, is_binary, name_columns
from worker.quoting import quote_value

_NUMPY_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxInputs:
    """A graph's inputs: one tensor of all columns by position, or one of each column by name.

    Raises ModelError if the inputs have another form.
    """

    def __init__(self, nodes: Sequence[Any]) -> None:
        for node in nodes:
            rows, *columns = node.shape or [0]
            if node.type not in _NUMPY_TYPES or len(columns) != 1 or isinstance(rows, int):
                raise ModelError(
                    f"the graph's input {node.name!r} is a {node.type} of the shape {node.shape}: "
                    "it must be of any number of rows, and of columns of numbers or strings"
                )
        wide = [node.name for node in nodes if node.shape[1] != 1]
        if len(nodes) > 1 and wide:
            raise ModelError(f"of several inputs each must be one column: {', '.join(wide)}")
        self._types = {node.name: _NUMPY_TYPES[node.type] for node in nodes}
        width = nodes[0].shape[1]
        self.names = tuple(self._types) if len(nodes) > 1 else None
        self.count = width if self.names is None and isinstance(width, int) else None
        texts = tuple(name for name, dtype in self._types.items() if dtype is np.object_)
        self.numbers_only = not texts
        # A float would not hold each whole number of 64 bits.
        specs = (_spec_of(dtype) for dtype in self._types.values())
        self.specs = tuple(specs if self.names else (*specs,) * (self.count or 0))
        self.text_columns = ("*",) if texts and self.names is None else texts

    def to_tensors(self, frame: pd.DataFrame) -> dict[str, Array]:
        """Convert a table to tensors by name; raises SchemaMismatch if a value does not fit."""
        if self.names is not None:
            return {
                name: _to_dtype(frame[name], dtype).reshape(-1, 1)
                for name, dtype in self._types.items()
            }
        ((name, dtype),) = self._types.items()
        columns = [_to_dtype(column, dtype) for _, column in frame.items()]
        return {name: np.column_stack(columns)}

    def dummy_row(self, width: int) -> dict[str, Array]:
        """Return the tensors of one row with that many columns, of zeros and empty strings."""
        shape = (1, width if self.names is None else 1)
        return {
            name: np.full(shape, "" if dtype is np.object_ else 0, dtype)
            for name, dtype in self._types.items()
        }


def _spec_of(dtype: type[np.generic]) -> ColumnSpec | None:
    return ColumnSpec("int") if issubclass(dtype, np.integer) else None


def _to_dtype(column: pd.Series, dtype: type[np.generic]) -> Array:
    """Convert a column; raises SchemaMismatch if a value would change.

    The runtime itself would write 1.0 for the text 1, and cut 1.5 to the integer 1.
    """
    if dtype is np.object_:
        return _to_text(column)
    name = quote_value(repr(column.name))
    if not pd.api.types.is_numeric_dtype(column):
        raise SchemaMismatch(f"column {name} is text, and the graph takes numbers")
    values = column.to_numpy()
    with np.errstate(all="ignore"):
        cells = values.astype(dtype)
    exact = not issubclass(dtype, np.floating)
    misfits = cells != values if exact else np.isfinite(values) & ~np.isfinite(cells)
    if misfits.any():
        cell = quote_value(str(values[misfits][0]))
        raise SchemaMismatch(f"column {name} holds {cell}, which is no {dtype.__name__}")
    return cells


def _to_text(column: pd.Series) -> Array:
    if not pd.api.types.is_string_dtype(column):
        name = quote_value(repr(column.name))
        raise SchemaMismatch(f"column {name} is {column.dtype}, and the graph takes text")
    return column.to_numpy(np.object_)  # a missing text is nan, which converters write as text


_LABEL_TYPES = ("tensor(int64)", "tensor(string)")
_UNNAMED_CLASSES = ("first", "second")  # of two: only one column comes of them, without a name
_SUM_TOLERANCE = 1e-3  # for the probabilities of many classes in 32 bits


class OnnxOutputs:
    """A graph's first output and, if it is a classifier, its probabilities.

    Raises ModelError if there is no output for the method.
    """

    def __init__(
        self, nodes: Sequence[Any], method: PredictMethod, classes: Sequence[object] | None
    ) -> None:
        first, *rest = nodes
        probabilities = [node.name for node in rest if _holds_probabilities(node)]
        if not _holds_labels(first) or method == "predict":
            probabilities = []
        if method == "decision_function" or (method == "predict_proba" and not probabilities):
            raise ModelError(f"the graph has no output for WORKER_PREDICT={method}")
        self.names = [first.name, *probabilities[:1]]
        self._with_labels = method == "auto"
        self._classes = classes

    def to_columns(self, outputs: Sequence[Any]) -> Columns:
        """Convert a run's outputs to columns; raises PredictionFailed if they have no meaning."""
        labels, *rest = outputs
        if not rest:
            return name_columns("prediction", labels)
        probabilities, classes = self._to_table(rest[0])
        if (np.abs(probabilities.sum(axis=1) - 1) > _SUM_TOLERANCE).any():
            raise PredictionFailed(
                f"the graph's {self.names[1]!r} do not add up to 1, so they are no probabilities: "
                "WORKER_PREDICT=predict gives its labels"
            )
        activations = activation_columns(probabilities, classes)
        if self._with_labels and not is_binary(classes):
            return name_columns("prediction", labels) | activations
        return activations

    def _to_table(self, probabilities: Any) -> tuple[Array, Sequence[object]]:  # noqa: ANN401 - a list or an array
        """Return a table of probabilities and the class of each column.

        Raises PredictionFailed if the classes are unknown.
        """
        if isinstance(probabilities, list):
            classes = tuple(probabilities[0])
            rows = [[row[name] for name in classes] for row in probabilities]
            return np.array(rows, np.float32), classes
        width = probabilities.shape[1]
        known = self._classes or (_UNNAMED_CLASSES if width == len(_UNNAMED_CLASSES) else ())
        if len(known) != width:
            raise PredictionFailed(
                f"the graph answers {width} probabilities and not of which classes: "
                "its metadata needs classes_, or WORKER_PREDICT=predict gives its labels"
            )
        return probabilities, known


def _holds_labels(node: Any) -> bool:  # noqa: ANN401 - the runtime is untyped
    return node.type in _LABEL_TYPES and node.shape[1:] in ([], [1])


def _holds_probabilities(node: Any) -> bool:  # noqa: ANN401 - see above
    """Return whether an output has probabilities: a list of mappings from class to probability.

    A table counts too, if its name has `prob` in it, as converters name such tables.
    """
    if node.type.startswith("seq(map("):
        return True
    return (
        node.type.startswith("tensor(") and len(node.shape[1:]) == 1 and "prob" in node.name.lower()
    )


# Entries of a graph's metadata that are read, each as JSON: ONNX has no other place for them.
_METADATA_KEYS = ("feature_names_in_", "takes_missing", "classes_")
_LOG_FATAL_ONLY = 4  # errors need not be logged: they are raised


class OnnxPredictor:
    """Predicts with an ONNX graph.

    The graph's metadata may have `feature_names_in_`, `classes_` and `takes_missing`. Missing
    values must be allowed there: a graph that was not made for them may predict all the same.
    """

    def __init__(self, path: Path, method: PredictMethod = "auto") -> None:
        self._session = _open_session(path)
        metadata = _read_metadata(self._session, path)
        self._inputs = OnnxInputs(self._session.get_inputs())
        self._outputs = OnnxOutputs(self._session.get_outputs(), method, metadata.get("classes_"))
        names = self._inputs.names or metadata.get("feature_names_in_")
        self.feature_names_in_ = None if names is None else tuple(names)
        self.n_features_in_ = self._inputs.count or (names and len(names))
        if names and self.n_features_in_ != len(names):
            raise ModelError(f"{path} takes {self.n_features_in_} columns and names {len(names)}")
        self.numbers_only = self._inputs.numbers_only
        self.text_columns = self._inputs.text_columns
        self.column_specs = self._inputs.specs
        self.takes_missing = bool(metadata.get("takes_missing", False))
        self._try_dummy_row(path)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the prediction columns that WORKER_PREDICT asks for.

        For `auto` these are a classifier's activations, and the first output of other graphs.
        """
        if not len(frame):
            return pd.DataFrame(self._run(self._inputs.dummy_row(len(frame.columns)))).iloc[:0]
        return pd.DataFrame(self._run(self._inputs.to_tensors(frame)))

    def _run(self, tensors: dict[str, Array]) -> Columns:
        return self._outputs.to_columns(self._session.run(self._outputs.names, tensors))

    def _try_dummy_row(self, path: Path) -> None:
        """Raise ModelError now if no output of the graph can be converted to columns."""
        if self.n_features_in_ is None:
            return
        try:
            self._run(self._inputs.dummy_row(self.n_features_in_))
        except PredictionFailed as error:
            raise ModelError(f"{path}: {error}") from error
        except Exception:  # noqa: BLE001 - the graph may refuse such a row with any error
            return


def _open_session(path: Path) -> Any:  # noqa: ANN401 - the runtime is untyped
    options = onnxruntime.SessionOptions()
    # Threads split a sum into as many parts as there are threads, which changes its last bit.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = _LOG_FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no public base class
        kind = kind_of_text(path)
        what = f": it is {kind}, and no model" if kind else ""
        text = f"{path} cannot be loaded: {type(error).__name__}: {error}{what}"
        raise ModelError(text) from error


def _read_metadata(session: Any, path: Path) -> dict[str, Any]:  # noqa: ANN401 - see above
    metadata = session.get_modelmeta().custom_metadata_map
    try:
        return {name: json.loads(metadata[name]) for name in _METADATA_KEYS if name in metadata}
    except ValueError as error:
        raise ModelError(f"{path} has metadata that is no JSON: {error}") from error
