"""The predictor of the runs: a slow model. Some flowers kill its process."""

import os
import signal
import time
from pathlib import Path

import joblib
import pandas as pd

from worker.models import SklearnPredictor

KILLER = -666.0  # the process is killed by this sepal length, as by the kernel when memory runs out
SLOW = -7.0  # this sepal length takes SLOW_SECONDS; any other takes PART of that
PART = 0.02


class Touchy(SklearnPredictor):
    """A fitted scikit-learn model with special sepal lengths."""

    def __init__(self, path: Path) -> None:
        super().__init__(joblib.load(path))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        if (frame["sepal_length"] == KILLER).any():
            os.kill(os.getpid(), signal.SIGKILL)
        slow = (frame["sepal_length"] == SLOW).any()
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")) * (1 if slow else PART))
        return super().predict(frame)
