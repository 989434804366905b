"""The rows that a model raises on, found by halving a batch that it raised on."""

from collections.abc import Callable, Iterator

import pandas as pd

from worker.errors import ModelRaised

# A model that has raised on so many rows in turn, and never answered one, is not at odds with rows.
IN_TURN = 100

Predict = Callable[[pd.DataFrame], object]


def refused(predict: Predict, frame: pd.DataFrame, *, answers: bool) -> dict[int, str]:
    """By row number from 0, what the model says of each row that it raises on alone.

    Empty when there is none; and when it answers no row at all, unless it is known to answer some.
    """
    found: dict[int, str] = {}
    for row, reason in _halved(predict, frame, 0):
        if reason is None:
            answers = True
        else:
            found[row] = reason
        if len(found) == IN_TURN and not answers:
            break
    return found if answers else {}


def _halved(predict: Predict, frame: pd.DataFrame, first: int) -> Iterator[tuple[int, str | None]]:
    """Each row that is refused, with the reason, and the first one of every part that is not."""
    try:
        predict(frame.reset_index(drop=True))
    except ModelRaised as error:
        if len(frame) == 1:
            yield first, str(error).partition("\n")[0]
            return
    else:
        yield first, None
        return
    half = len(frame) // 2
    yield from _halved(predict, frame.iloc[:half], first)
    yield from _halved(predict, frame.iloc[half:], first + half)
