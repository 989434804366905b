"""The lag that the event loop measures. Integration tests show how the watchdog ends a process."""

import asyncio

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.clock import jump
from worker.errors import FatalError
from worker.lifecycle.stop import Stop
from worker.service.watchdog import Watchdog

LATE = "event loop late"


async def block(seconds: float) -> None:
    """Block the event loop."""
    jump(seconds)
    await asyncio.sleep(0)


async def tick_while_blocked(
    seconds: float, *, every: float, count: int, stop: Stop | None = None
) -> None:
    """Tick while the loop is blocked `count` times, then for two minutes without a block."""
    async with asyncio.TaskGroup() as group:
        ticks = group.create_task(Watchdog(stop or Stop(), 90).ticks())
        for _ in range(count):
            await asyncio.sleep(every - seconds)
            await block(seconds)
        await asyncio.sleep(120)
        ticks.cancel()


async def test_a_loop_that_is_on_time_is_not_logged(logs: LogCapture) -> None:
    await tick_while_blocked(0.5, every=1, count=1000)
    assert not logs.entries


async def test_a_tick_more_than_a_second_late_is_logged_as_a_warning(logs: LogCapture) -> None:
    await tick_while_blocked(3, every=10, count=1)
    (line,) = logs.entries
    assert (line["event"], line["log_level"]) == (LATE, "warning")
    assert 2 <= line["seconds"] <= 3


async def test_a_loop_that_stays_late_is_logged_once(logs: LogCapture) -> None:
    await tick_while_blocked(3, every=10, count=100)
    assert [line["event"] for line in logs.entries] == [LATE]


async def test_a_late_tick_after_a_minute_without_one_is_logged_again(logs: LogCapture) -> None:
    await tick_while_blocked(3, every=100, count=4)
    assert [line["event"] for line in logs.entries] == [LATE] * 4


async def test_a_loop_that_loses_more_than_half_of_a_minute_is_fatal() -> None:
    stop = Stop()
    with pytest.raises(ExceptionGroup) as caught:
        await tick_while_blocked(8, every=10, count=100, stop=stop)
    assert caught.group_contains(FatalError, match="the event loop lags")
    assert asyncio.get_running_loop().time() < 70
    assert str(stop.reason).startswith("failed: the event loop lags")


async def test_a_loop_that_loses_less_than_half_of_each_minute_is_not_fatal() -> None:
    await tick_while_blocked(4, every=10, count=100)


@pytest.mark.parametrize("seconds", [59, 300, 86_400])
async def test_one_gap_of_any_length_is_not_fatal(seconds: float) -> None:
    await tick_while_blocked(seconds, every=seconds + 70, count=3)
