import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.fakes.clock import VirtualLoop
from worker.clock import now
from worker.errors import FatalError, TransientError
from worker.jobs.limits import JobTimeouts


@asynccontextmanager
async def watch(attempts: JobTimeouts) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(attempts.watch())
        yield
        watch.cancel()


def suspend_for(seconds: float) -> None:
    """Let time pass that the process has no part in."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.jump(seconds)


async def deaf_until(moment: float) -> None:
    """Work on, whoever asks to end."""
    while now() < moment:
        try:
            await asyncio.sleep(moment - now())
        except asyncio.CancelledError:
            continue


async def test_an_attempt_ends_when_its_time_is_over_naming_the_file_and_the_setting() -> None:
    with pytest.raises(TransientError, match=r"s3://in/a\.csv .* WORKER_JOB_SECONDS \(50\)"):
        async with JobTimeouts(50).limit("s3://in/a.csv"):
            await asyncio.sleep(1000)
    assert now() == pytest.approx(50)


async def test_waiting_for_its_turn_is_not_an_attempts_time() -> None:
    async with JobTimeouts(50).limit("a.csv") as attempt:
        await asyncio.sleep(20)
        go_on = attempt.pause()
        await asyncio.sleep(1000)
        go_on()
        await asyncio.sleep(29)


async def test_an_attempt_that_waited_has_what_was_left_of_its_time() -> None:
    async def waiting() -> None:
        async with JobTimeouts(50).limit("a.csv") as attempt:
            await asyncio.sleep(20)
            go_on = attempt.pause()
            await asyncio.sleep(1000)
            go_on()
            await asyncio.sleep(31)

    with pytest.raises(TransientError):
        await waiting()
    assert now() == pytest.approx(1050)


async def test_an_attempt_that_does_not_end_when_it_is_told_to_is_fatal_and_named() -> None:
    attempts = JobTimeouts(50)
    with pytest.raises(ExceptionGroup) as error:
        async with watch(attempts), attempts.limit("s3://in/a.csv"):
            await deaf_until(1000)
    assert error.group_contains(FatalError, match=r"wedged: s3://in/a\.csv was cancelled more than")


async def test_an_attempt_that_winds_up_within_a_minute_is_not_wedged() -> None:
    attempts = JobTimeouts(50)
    async with watch(attempts):
        async with attempts.limit("a.csv"):
            await deaf_until(105)
        await asyncio.sleep(1000)


async def test_an_attempt_that_waits_for_long_is_not_wedged() -> None:
    attempts = JobTimeouts(50)
    async with watch(attempts), attempts.limit("a.csv") as attempt:
        go_on = attempt.pause()
        await asyncio.sleep(10_000)
        go_on()


async def test_a_process_that_was_suspended_has_no_wedged_attempts() -> None:
    attempts = JobTimeouts(50)
    async with watch(attempts):
        asyncio.get_running_loop().call_later(5, suspend_for, 86_400)
        async with attempts.limit("a.csv"):
            await deaf_until(86_400 + 30)
        await asyncio.sleep(1000)
