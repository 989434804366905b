"""A plug-in predictor that shows the values it gets, or misbehaves if a file asks for that."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd


class Mirror:
    """Predicts each row as text; a column `please` asks for a wrong answer instead."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return one column, `seen`."""
        if "please" in frame.columns and len(frame):
            return _WRONG_ANSWERS[frame["please"].iloc[0]](frame)
        rows = frame.to_dict("records")
        return pd.DataFrame({"seen": [_row_as_text(row) for row in rows]}, dtype="str")


def _row_as_text(row: Mapping[object, object]) -> str:
    return " ".join(f"{name}={_value_as_text(value)}" for name, value in row.items())


def _value_as_text(value: object) -> str:
    return "nothing" if pd.isna(value) else repr(value)  # type: ignore[call-overload] # a cell


def _raise(_: pd.DataFrame) -> pd.DataFrame:
    raise LookupError("no such shelf")


def _exit(_: pd.DataFrame) -> pd.DataFrame:
    raise SystemExit(3)


_WRONG_ANSWERS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a row too few": lambda frame: pd.DataFrame({"seen": [1.0] * (len(frame) - 1)}),
    "a row too many": lambda frame: pd.DataFrame({"seen": [1.0] * (len(frame) + 1)}),
    "a hole": lambda frame: pd.DataFrame({"seen": [1.0] * (len(frame) - 1) + [float("nan")]}),
    "another order": lambda frame: frame[["please"]].iloc[::-1],
    "an error": _raise,
    "an exit": _exit,
}
