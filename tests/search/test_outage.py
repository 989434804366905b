"""P10: an hour without S3 costs time. `python -m tests.search.outage` plays more outages."""

import pytest

from tests.search.faults import OUTAGES, Kind
from tests.search.outage import (
    AT_ONCE,
    HOUR,
    MOST_DRAIN_SECONDS,
    SERVICES,
    Result,
    outage_plan,
    play_outage,
)

MESSAGES = 1000  # which three workers predict in seventy seconds


def check(result: Result) -> None:
    last = result.points[-1]
    assert result.broken == []
    assert (last.alive, last.dead, result.most_predictions) == (0, 0, 1)
    assert result.drained_seconds <= MOST_DRAIN_SECONDS


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("start", [0.0, 65.0])
def test_an_hour_without_a_service_costs_no_message_and_no_prediction(
    service: str, start: float
) -> None:
    check(play_outage(outage_plan(service, start, HOUR, messages=MESSAGES)))


@pytest.mark.parametrize("kinds", [AT_ONCE, OUTAGES], ids=["503", "silence"])
def test_an_outage_of_minutes_uses_no_receive_of_a_message_in_hand(kinds: tuple[Kind, ...]) -> None:
    result = play_outage(outage_plan("S3", 30.0, 480.0, messages=MESSAGES, kinds=kinds))
    check(result)
    assert result.points[-1].receives == MESSAGES
