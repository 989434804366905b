import asyncio

import pytest

from worker.lifecycle.stop import Stop


def test_the_first_reason_stays() -> None:
    stop = Stop()
    stop.request("failed: no queue")
    stop.request("SIGTERM")
    assert stop.reason == "failed: no queue"


@pytest.mark.parametrize("reason", ["SIGTERM", "failed: no queue"])
def test_any_other_reason_outranks_idleness(reason: str) -> None:
    stop = Stop()
    stop.request("idle")
    stop.request(reason)
    stop.request("idle")
    assert stop.reason == reason


@pytest.mark.parametrize("before", [None, "idle", "failed: no queue"])
def test_a_signal_is_the_first_whatever_else_has_asked_before(before: str | None) -> None:
    stop = Stop()
    if before is not None:
        stop.request(before)
    assert stop.signal("SIGINT")
    assert not stop.signal("SIGINT")


def test_a_signal_of_another_name_is_a_second_one_too() -> None:
    stop = Stop()
    assert stop.signal("SIGINT")
    assert not stop.signal("SIGTERM")
    assert stop.reason == "SIGINT"


def test_nothing_is_in_hand_until_somebody_says_what() -> None:
    assert list(Stop().in_hand()) == []


async def test_a_sleep_ends_at_the_stop_and_not_before() -> None:
    loop = asyncio.get_running_loop()
    stop = Stop()
    await stop.wait_for(10)
    assert loop.time() == pytest.approx(10)
    loop.call_later(5, stop.request, "SIGTERM")
    await stop.wait_for(10)
    assert loop.time() == pytest.approx(15)
    await stop.wait()
