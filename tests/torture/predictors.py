"""A predictor that shows what it is given, and misbehaves where it is asked to."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd


class Mirror:
    """Answers each row in words; a file with a column `please` has its wish instead."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """One column, `seen`."""
        if "please" in frame.columns and len(frame):
            return _WISHES[frame["please"].iloc[0]](frame)
        rows = frame.to_dict("records")
        return pd.DataFrame({"seen": [_told(row) for row in rows]}, dtype="str")


def _told(row: Mapping[object, object]) -> str:
    return " ".join(f"{name}={_shown(value)}" for name, value in row.items())


def _shown(value: object) -> str:
    return "nothing" if pd.isna(value) else repr(value)  # type: ignore[call-overload] # a cell


def _raise(_: pd.DataFrame) -> pd.DataFrame:
    raise LookupError("no such shelf")


def _leave(_: pd.DataFrame) -> pd.DataFrame:
    raise SystemExit(3)


_WISHES: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "a row too few": lambda frame: pd.DataFrame({"seen": [1.0] * (len(frame) - 1)}),
    "a row too many": lambda frame: pd.DataFrame({"seen": [1.0] * (len(frame) + 1)}),
    "a hole": lambda frame: pd.DataFrame({"seen": [1.0] * (len(frame) - 1) + [float("nan")]}),
    "another order": lambda frame: frame[["please"]].iloc[::-1],
    "an error": _raise,
    "an exit": _leave,
}
