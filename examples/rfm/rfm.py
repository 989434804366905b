"""A predictor without scikit-learn: marks customers by recency, frequency and monetary value.

WORKER_MODEL=model.json WORKER_PREDICTOR=rfm:RfmPredictor python -m worker
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

MARKS = 5


class RfmPredictor:
    """Predicts a mark from 1 to 5 for each measure of a customer, and the customer's segment."""

    numbers_only = True
    takes_missing = False

    def __init__(self, path: Path) -> None:
        model = json.loads(path.read_text())
        self.feature_names_in_ = tuple(model["edges"])
        self._edges: dict[str, list[float]] = model["edges"]
        self._less_is_better: list[str] = model["less_is_better"]
        self._segments: dict[str, dict[str, list[int]]] = model["segments"]
        self._otherwise: str = model["otherwise"]

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a mark for each measure, and the first segment whose rules fit all marks."""
        marks = {name: self._marks(name, frame[name]) for name in self._edges}
        fits = [
            np.all([np.isin(marks[name], allowed) for name, allowed in rule.items()], axis=0)
            for rule in self._segments.values()
        ]
        segment = np.select(fits, list(self._segments), default=self._otherwise)
        return pd.DataFrame(
            {f"{name}_mark": values for name, values in marks.items()}
            | {"segment": segment.astype(object)}
        )

    def _marks(self, name: str, values: pd.Series) -> np.ndarray:
        marks = 1 + np.searchsorted(self._edges[name], values)
        return MARKS + 1 - marks if name in self._less_is_better else marks
