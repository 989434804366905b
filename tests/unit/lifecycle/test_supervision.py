import asyncio

import pytest

from worker.clock import now
from worker.errors import FatalError, LoopFailed, SettingsError
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import Loop, StopRequested, background, cancel_on_stop, supervise


async def dies() -> None:
    raise KeyError("visibility")


async def denied() -> None:
    raise FatalError("access denied")


async def in_a_group_of_its_own() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(denied())


async def ends() -> None:
    await asyncio.sleep(1)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_loop_that_dies_is_named_with_what_it_died_of() -> None:
    with pytest.raises(LoopFailed, match="the poll loop failed: KeyError: 'visibility'") as error:
        await supervise("poll", dies)
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize("loop", [denied, in_a_group_of_its_own])
async def test_a_fatal_error_comes_out_of_a_loop_as_it_is(loop: Loop) -> None:
    with pytest.raises(FatalError, match=r"^access denied$") as error:
        await supervise("heartbeat", loop)
    assert not isinstance(error.value, LoopFailed)


async def test_a_loop_may_come_to_its_end() -> None:
    await supervise("poll", ends)


async def test_a_loop_that_dies_ends_the_block_beside_it() -> None:
    with pytest.raises(ExceptionGroup) as error:
        async with background("delete", dies):
            await asyncio.sleep(1000)
    assert error.group_contains(LoopFailed, match="the delete loop failed")
    assert now() < 1


async def test_a_loop_ends_with_the_block_beside_it() -> None:
    async with background("heartbeat", for_ever):
        await asyncio.sleep(1)


async def test_a_stop_ends_the_block_at_once() -> None:
    stop = Stop()
    asyncio.get_running_loop().call_later(5, stop.request, "SIGTERM")
    with pytest.raises(StopRequested):
        async with cancel_on_stop(stop):
            await asyncio.sleep(1000)
    assert now() == pytest.approx(5)


async def test_a_stop_requested_before_the_block_is_not_lost() -> None:
    stop = Stop()
    stop.request("SIGTERM")
    with pytest.raises(StopRequested):
        async with cancel_on_stop(stop):
            await asyncio.sleep(1000)
    assert now() < 1


async def test_without_a_stop_the_block_goes_on_behind_it() -> None:
    stop = Stop()
    async with cancel_on_stop(stop):
        await asyncio.sleep(1)
    stop.request("SIGTERM")
    await asyncio.sleep(1)


@pytest.mark.parametrize("error", [SettingsError, TimeoutError])
async def test_an_error_of_the_block_is_no_stop(error: type[Exception]) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with cancel_on_stop(Stop()):
            raise error
    assert caught.group_contains(error)


async def test_a_cancellation_from_outside_is_no_stop() -> None:
    async def start() -> None:
        async with cancel_on_stop(Stop()):
            await asyncio.sleep(1000)

    starting = asyncio.create_task(start())
    await asyncio.sleep(1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
