"""Lag, as the event loop itself measures it; how a process ends is shown with real ones."""

import asyncio

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.clock import VirtualLoop
from worker.errors import FatalError
from worker.lifecycle.stop import Stop
from worker.service.watchdog import Watchdog

LATE = "event loop late"


async def block(seconds: float) -> None:
    """Take time without letting anything else run."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.jump(seconds)
    await asyncio.sleep(0)


async def in_blocks(seconds: float, *, every: float, count: int, stop: Stop | None = None) -> None:
    """Tick beside a loop that is blocked again and again, and for two quiet minutes after."""
    async with asyncio.TaskGroup() as group:
        ticks = group.create_task(Watchdog(stop or Stop(), 90).ticks())
        for _ in range(count):
            await asyncio.sleep(every - seconds)
            await block(seconds)
        await asyncio.sleep(120)
        ticks.cancel()


async def test_a_loop_that_is_on_time_is_not_spoken_of(logs: LogCapture) -> None:
    await in_blocks(0.5, every=1, count=1000)
    assert not logs.entries


async def test_a_tick_more_than_a_second_late_is_warned_of(logs: LogCapture) -> None:
    await in_blocks(3, every=10, count=1)
    (line,) = logs.entries
    assert (line["event"], line["log_level"]) == (LATE, "warning")
    assert 2 <= line["seconds"] <= 3


async def test_a_loop_that_is_late_again_and_again_is_warned_of_once(logs: LogCapture) -> None:
    await in_blocks(3, every=10, count=100)
    assert [line["event"] for line in logs.entries] == [LATE]


async def test_after_a_quiet_minute_it_is_warned_of_again(logs: LogCapture) -> None:
    await in_blocks(3, every=100, count=4)
    assert [line["event"] for line in logs.entries] == [LATE] * 4


async def test_a_loop_that_loses_more_than_half_of_a_minute_is_fatal() -> None:
    stop = Stop()
    with pytest.raises(ExceptionGroup) as caught:
        await in_blocks(8, every=10, count=100, stop=stop)
    assert caught.group_contains(FatalError, match="the event loop lags")
    assert asyncio.get_running_loop().time() < 70
    assert str(stop.reason).startswith("failed: the event loop lags")


async def test_a_loop_that_loses_less_than_half_of_every_minute_goes_on() -> None:
    await in_blocks(4, every=10, count=100)


@pytest.mark.parametrize("seconds", [59, 300, 86_400])
async def test_one_gap_of_any_length_is_survived(seconds: float) -> None:
    await in_blocks(seconds, every=seconds + 70, count=3)
