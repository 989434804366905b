"""The demo's check of an output: the same predictions as the model makes in memory."""

import numpy as np
from sklearn.base import ClassifierMixin

from tidegate.cli.demo.inputs import decode
from worker.errors import TidegateError

TOLERANCE = 1e-12
PREDICTION = "activation"


class DemoFailed(TidegateError):
    """A check of the demo failed."""


def check_output(
    model: ClassifierMixin, key: str, source: bytes, output: bytes
) -> tuple[int, float]:
    """Check an output, and return its number of rows and its first prediction.

    Raises DemoFailed unless the output has the input's first column, verbatim, and the predictions
    that the model makes in memory.
    """
    flowers, predicted = decode(key, source), decode(key, output)
    kept = flowers.columns[0]
    if list(predicted.columns) != [kept, PREDICTION]:
        raise DemoFailed(f"{key}: the output's columns are {list(predicted.columns)}")
    if list(predicted[kept]) != list(flowers[kept]):
        raise DemoFailed(f"{key}: the column {kept} differs from the input's")
    expected = model.predict_proba(flowers[model.feature_names_in_])[:, 1]
    actual = predicted[PREDICTION].to_numpy()
    if not np.allclose(actual, expected, rtol=TOLERANCE, atol=0):
        worst = np.max(np.abs(actual - expected) / np.abs(expected))
        raise DemoFailed(f"{key}: predictions differ from those in memory by up to {worst:.2g}")
    return len(predicted), float(actual[0])
