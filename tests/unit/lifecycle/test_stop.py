import asyncio

import pytest

from worker.lifecycle.stop import Stop


def test_the_first_reason_stays() -> None:
    stop = Stop()
    stop.request("failed: no queue")
    stop.request("SIGTERM")
    assert stop.reason == "failed: no queue"


@pytest.mark.parametrize("reason", ["SIGTERM", "failed: no queue"])
def test_any_other_reason_replaces_idleness(reason: str) -> None:
    stop = Stop()
    stop.request("idle")
    stop.request(reason)
    stop.request("idle")
    assert stop.reason == reason


@pytest.mark.parametrize("earlier", [None, "idle", "failed: no queue"])
def test_an_earlier_request_does_not_count_as_the_first_signal(earlier: str | None) -> None:
    stop = Stop()
    if earlier is not None:
        stop.request(earlier)
    assert stop.signal("SIGINT")
    assert not stop.signal("SIGINT")


def test_a_different_second_signal_is_not_the_first() -> None:
    stop = Stop()
    assert stop.signal("SIGINT")
    assert not stop.signal("SIGTERM")
    assert stop.reason == "SIGINT"


def test_no_message_is_in_hand_by_default() -> None:
    assert list(Stop().in_hand()) == []


async def test_a_wait_ends_after_its_seconds_or_at_the_stop() -> None:
    loop = asyncio.get_running_loop()
    stop = Stop()
    await stop.wait_for(10)
    assert loop.time() == pytest.approx(10)
    loop.call_later(5, stop.request, "SIGTERM")
    await stop.wait_for(10)
    assert loop.time() == pytest.approx(15)
    await stop.wait()
