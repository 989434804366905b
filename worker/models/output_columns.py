"""The names of what a model answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Columns = dict[str, Array]
_TWO = 2


def named(stem: str, values: Array, labels: Sequence[object] | None = None) -> Columns:
    """One column by the stem's own name, several by the stem and the class or else the place."""
    values = np.asarray(values)
    if values.ndim == 1 or values.shape[1] == 1:
        return {stem: values.reshape(len(values))}
    if labels is None or len(labels) != values.shape[1]:
        labels = range(values.shape[1])
    return {f"{stem}_{label}": values[:, place] for place, label in enumerate(labels)}


def activations(probabilities: Array, classes: Sequence[object] | None) -> Columns:
    """Of two classes the probability of the second, as `activation`; else one for each class."""
    if tells_all(classes):
        return {"activation": probabilities[:, 1]}
    return named("activation", probabilities, classes)


def tells_all(classes: Sequence[object] | None) -> bool:
    """Whether one activation says all there is to say: there are two classes."""
    return classes is not None and len(classes) == _TWO
