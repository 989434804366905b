"""Compares the worker's predictions with the model's own on pandas' frame of the whole file."""

import io
from typing import Any

import numpy as np
import pandas as pd

from tests.public_models.data_sets import TRAINING_ROWS, table
from tests.public_models.files import WRITERS, read
from tests.public_models.models import PublicModel
from tests.support.whole_file import score
from worker.interfaces import Format, ScoreOptions
from worker.models import SklearnPredictor

_BINARY = 2


def assert_predicted_as_in_pandas(public: PublicModel, file_format: Format) -> None:
    """Raise AssertionError if an output differs from the model's own predictions."""
    rows, frame = _rows(public), _frame(public)
    expected = _answer(public.fitted(), public.frame(frame[list(public.features)]))

    found = _predicted(public, rows, file_format)

    assert list(found) == ["key", *expected]
    assert list(found["key"]) == list(frame["key"])
    for name, values in expected.items():
        _assert_equal(found[name], values, name)


def assert_predicted_alone_as_among_others(public: PublicModel, file_format: Format) -> None:
    """Raise AssertionError if a row's prediction depends on the other rows of its file."""
    rows = _rows(public)
    expected = _answer(public.fitted(), public.frame(_frame(public)[list(public.features)]))
    for number in _telling_rows(rows):
        found = _predicted(public, rows.iloc[[number]], file_format)
        for name, values in expected.items():
            _assert_equal(found[name], values[[number]], f"{name} of row {number}")


def _rows(public: PublicModel) -> pd.DataFrame:
    """Return the rows to predict, with the key."""
    return table(public.data_set).iloc[TRAINING_ROWS:][["key", *public.features]]


def _frame(public: PublicModel) -> pd.DataFrame:
    """Return the rows as pandas reads the whole file of them, with the types of the training."""
    rows = _rows(public)
    frame = pd.read_csv(io.StringIO(rows.to_csv(index=False)), dtype={"key": str})
    assert frame.dtypes.equals(rows.dtypes), "the rows must have the types of the training"
    return frame


def _telling_rows(rows: pd.DataFrame) -> list[int]:
    """Return the first rows, and the first row in which each column is missing."""
    missing = (np.flatnonzero(rows[name].isna()) for name in rows)
    return sorted({0, 1, 2, *(int(gaps[0]) for gaps in missing if len(gaps))})


def _predicted(public: PublicModel, rows: pd.DataFrame, file_format: Format) -> pd.DataFrame:
    predictor = SklearnPredictor(public.fitted())
    scored = score(WRITERS[file_format](rows), predictor, ScoreOptions())
    return read(scored.output, file_format)


def _assert_equal(found: "pd.Series[Any]", expected: np.ndarray[Any, Any], name: str) -> None:
    if expected.dtype.kind in "if":
        values = found.astype(float)
        np.testing.assert_allclose(values, expected.astype(float), rtol=1e-12, err_msg=name)
    else:
        assert list(found.astype(str)) == list(map(str, expected)), name


def _answer(model: Any, frame: Any) -> dict[str, np.ndarray[Any, Any]]:  # noqa: ANN401 - scikit-learn is untyped
    """Return the prediction columns that docs/models.md promises."""
    predicted = model.predict(frame)
    predicted = predicted.toarray() if hasattr(predicted, "toarray") else np.asarray(predicted)
    if predicted.ndim > 1 and predicted.shape[1] > 1:
        return {f"prediction_{number}": column for number, column in enumerate(predicted.T)}
    predicted = predicted.reshape(len(predicted))
    if not hasattr(model, "predict_proba"):
        return {"prediction": predicted}
    shares = model.predict_proba(frame)
    if len(model.classes_) == _BINARY:
        return {"activation": shares[:, 1]}
    named = zip(model.classes_, shares.T, strict=True)
    return {"prediction": predicted} | {f"activation_{label}": share for label, share in named}
