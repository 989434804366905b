from datetime import UTC, datetime, timedelta

import pytest

from tidegate.aws.listing import Listed
from tidegate.runs.following import listed_result
from tidegate.runs.join import Found
from tidegate.runs.states import State, listed_state

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(second: int | None, etag: str = "e") -> Listed | None:
    return None if second is None else Listed("k", etag, 1, NOON + timedelta(seconds=second))


def found(output: int | None, report: int | None, etag: str = "e") -> Found:
    """An input of noon, and what is there since so many seconds after noon."""
    source = at(0, etag)
    assert source is not None
    return Found(source, at(output), at(report))


@pytest.mark.parametrize(
    ("output", "report", "state"),
    [
        (None, None, State.MISSING),
        (9, None, State.PREDICTED),
        (-9, None, State.STALE),
        (None, 9, State.FAILED),
        (None, -9, State.MISSING),  # an older version failed
        (-9, 9, State.FAILED),
        (9, -9, State.PREDICTED),
        (-9, -5, State.STALE),
        (5, 9, State.FAILED),
        (9, 5, State.PREDICTED),  # resolved
        (0, None, State.UNSURE),
        (None, 0, State.UNSURE),
        (9, 9, State.UNSURE),
        (-9, -9, State.STALE),
    ],
)
def test_times_say_what_became_of_an_input(
    output: int | None, report: int | None, state: State
) -> None:
    assert listed_state(found(output, report)) is state


def test_after_an_upload_in_parts_only_what_is_older_is_certain() -> None:
    assert listed_state(found(9, None, "e-2")) is State.UNSURE
    assert listed_state(found(None, 9, "e-2")) is State.UNSURE
    assert listed_state(found(-9, None, "e-2")) is State.STALE
    assert listed_state(found(None, None, "e-2")) is State.MISSING


def test_what_is_older_than_the_model_is_unsure() -> None:
    since = NOON + timedelta(seconds=5)
    assert listed_state(found(4, None), since=since) is State.UNSURE
    assert listed_state(found(None, 4), since=since) is State.UNSURE
    assert listed_state(found(5, None), since=since) is State.PREDICTED
    assert listed_state(found(-9, None), since=since) is State.STALE


def test_what_comes_within_the_margin_is_unsure() -> None:
    margin = timedelta(seconds=9)
    assert listed_state(found(9, None), margin=margin) is State.UNSURE
    assert listed_state(found(10, None), margin=margin) is State.PREDICTED


def test_what_is_unclear_is_unsure_whatever_the_times_say() -> None:
    unclear = found(9, None)
    unclear.is_unclear = True
    assert listed_state(unclear) is State.UNSURE


@pytest.mark.parametrize(
    ("output", "report", "state"),
    [
        (None, None, State.MISSING),
        (-1, None, State.MISSING),
        (-1, -1, State.MISSING),
        (0, None, State.UNSURE),
        (1, None, State.PREDICTED),
        (-1, 1, State.FAILED),
        (2, 1, State.PREDICTED),
        (1, 2, State.FAILED),
        (1, 1, State.UNSURE),
    ],
)
def test_what_is_from_before_a_run_is_none_of_its_results(
    output: int | None, report: int | None, state: State
) -> None:
    began = NOON + timedelta(seconds=50)
    source = at(0)
    assert source is not None
    one = Found(
        source,
        output=None if output is None else at(50 + output),
        report=None if report is None else at(50 + report),
    )
    assert listed_result(one, began)[0] is state
    one.is_unclear = True
    assert listed_result(one, began)[0] is State.UNSURE
