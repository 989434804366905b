"""What the rest of the worker knows of a model."""

from typing import Literal, Protocol

import pandas as pd

PredictMethod = Literal["auto", "predict", "predict_proba", "decision_function"]


class Predictor(Protocol):
    """Anything that predicts; without rows it still answers with its columns.

    It may say more of itself: `feature_names_in_` (its columns, by name), `n_features_in_` (how
    many it takes by position), `numbers_only` (a cell that is no number makes a bad row),
    `takes_missing` (if false, a missing cell makes a bad row) and `text_columns` (names of columns
    whose text stays text where it looks like numbers; `*` for all of them).
    """

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One row of predictions for each row of features, in their order."""
        ...
