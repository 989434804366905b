"""What an ONNX graph answers, as the columns of an output."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from worker.errors import ModelError, PredictionFailed
from worker.models.columns import Array, Columns, activations, named, tells_all
from worker.models.predictor import PredictMethod

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
