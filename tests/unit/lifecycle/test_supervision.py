import asyncio

import pytest

from worker.clock import now
from worker.errors import FatalError, LoopFailed, SettingsError
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import Loop, StopRequested, background, cancel_on_stop, supervise


async def raise_key_error() -> None:
    raise KeyError("visibility")


async def raise_fatal_error() -> None:
    raise FatalError("access denied")


async def raise_cancelled_error() -> None:
    raise asyncio.CancelledError


async def raise_in_a_task_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(raise_fatal_error())


async def end_after_a_second() -> None:
    await asyncio.sleep(1)


async def run_for_ever() -> None:
    await asyncio.Event().wait()


async def test_the_error_of_a_failed_loop_names_the_loop_and_the_cause() -> None:
    with pytest.raises(LoopFailed, match="the poll loop failed: KeyError: 'visibility'") as error:
        await supervise("poll", raise_key_error)
    assert isinstance(error.value.__cause__, KeyError)


@pytest.mark.parametrize("loop", [raise_fatal_error, raise_in_a_task_group])
async def test_a_fatal_error_of_a_loop_is_raised_unchanged(loop: Loop) -> None:
    with pytest.raises(FatalError, match=r"^access denied$") as error:
        await supervise("heartbeat", loop)
    assert not isinstance(error.value, LoopFailed)


async def test_a_cancellation_that_nobody_requested_is_a_failure() -> None:
    with pytest.raises(LoopFailed, match="the poll loop failed: StrayCancellation: interrupted"):
        await supervise("poll", raise_cancelled_error)


async def test_a_requested_cancellation_of_a_loop_is_no_failure() -> None:
    loop = asyncio.create_task(supervise("poll", run_for_ever))
    await asyncio.sleep(1)
    loop.cancel()
    await asyncio.wait([loop])
    assert loop.cancelled()


async def test_a_loop_that_ends_is_no_failure() -> None:
    await supervise("poll", end_after_a_second)


async def test_a_failed_background_loop_ends_the_block() -> None:
    with pytest.raises(ExceptionGroup) as error:
        async with background("delete", raise_key_error):
            await asyncio.sleep(1000)
    assert error.group_contains(LoopFailed, match="the delete loop failed")
    assert now() < 1


async def test_a_background_loop_is_cancelled_at_the_end_of_the_block() -> None:
    async with background("heartbeat", run_for_ever):
        await asyncio.sleep(1)


async def test_a_stop_cancels_the_block_at_once() -> None:
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


async def test_a_stop_after_the_block_has_no_effect() -> None:
    stop = Stop()
    async with cancel_on_stop(stop):
        await asyncio.sleep(1)
    stop.request("SIGTERM")
    await asyncio.sleep(1)


@pytest.mark.parametrize("error", [SettingsError, TimeoutError])
async def test_an_error_of_the_block_is_not_taken_for_a_stop(error: type[Exception]) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with cancel_on_stop(Stop()):
            raise error
    assert caught.group_contains(error)


async def test_a_cancellation_of_the_block_is_not_taken_for_a_stop() -> None:
    async def start() -> None:
        async with cancel_on_stop(Stop()):
            await asyncio.sleep(1000)

    starting = asyncio.create_task(start())
    await asyncio.sleep(1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
