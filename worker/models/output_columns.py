"""Names the prediction columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Columns = dict[str, Array]

_BINARY = 2  # classes


def name_columns(stem: str, values: Array, labels: Sequence[object] | None = None) -> Columns:
    """Name one column `stem`, several `stem_label`; without a label for each, number them."""
    # scikit-learn answers with a sparse matrix if it was trained on sparse labels.
    values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    if values.ndim == 1 or values.shape[1] == 1:
        return {stem: values.reshape(len(values))}
    if labels is None or len(labels) != values.shape[1]:
        labels = range(values.shape[1])
    return {f"{stem}_{label}": values[:, position] for position, label in enumerate(labels)}


def activation_columns(probabilities: Array, classes: Sequence[object] | None) -> Columns:
    """Return for two classes the probability of the second, as `activation`; else one a class."""
    if is_binary(classes):
        return {"activation": probabilities[:, 1]}
    if classes is not None and len(classes) == 1:  # LightGBM and XGBoost answer a second column
        return {f"activation_{classes[0]}": probabilities[:, 0]}
    return name_columns("activation", probabilities, classes)


def is_binary(classes: Sequence[object] | None) -> bool:
    """Return whether there are two classes, so that one activation is the whole prediction."""
    return classes is not None and len(classes) == _BINARY
