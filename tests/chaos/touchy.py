"""The predictor of the runs: the model, but slow, and killed by some flowers."""

import os
import signal
import time
from pathlib import Path

import joblib
import pandas as pd

from worker.models import SklearnPredictor

KILLER = -666.0  # a sepal's length that no process survives, as when the memory is not enough
SLOW = -7.0  # and one that takes SLOW_SECONDS; the others take a part of that
PART = 0.02


class Touchy(SklearnPredictor):
    """A fitted scikit-learn model that is touchy about sepals."""

    def __init__(self, path: Path) -> None:
        super().__init__(joblib.load(path))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        if (frame["sepal_length"] == KILLER).any():
            os.kill(os.getpid(), signal.SIGKILL)
        slow = (frame["sepal_length"] == SLOW).any()
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")) * (1 if slow else PART))
        return super().predict(frame)
