import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from tests.support.fakes.clock import ignore_cancellation_until, jump
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.worker import INPUT, Cloud
from tests.support.simulation.bucket import Versioning
from worker.clock import now
from worker.errors import FatalError, TransientError
from worker.job import S3Uri
from worker.jobs.limits import JobTimeouts


@asynccontextmanager
async def watched(timeouts: JobTimeouts) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(timeouts.watch())
        yield
        watch.cancel()


async def test_a_job_past_its_time_limit_fails_naming_the_file_and_the_setting() -> None:
    with pytest.raises(TransientError, match=r"s3://in/a\.csv .* WORKER_JOB_SECONDS \(50\)"):
        async with JobTimeouts(50).limit("s3://in/a.csv"):
            await asyncio.sleep(1000)
    assert now() == pytest.approx(50)


@pytest.mark.parametrize("versioning", ["Enabled", None])
async def test_one_time_limit_covers_all_versions_of_an_input_that_keeps_changing(
    versioning: Versioning | None,
) -> None:
    cloud = Cloud(FakeQueue(max_receive_count=1))
    cloud.storage.versioning = versioning
    source, contents = S3Uri(INPUT, "a.csv"), count(10)

    def change_the_input(_: bytes) -> None:
        cloud.storage.add(source, b"%d" % next(contents))  # so many seconds, and another version

    cloud.submit("a.csv", b"5")
    await cloud.run_worker()
    cloud.pool.before = change_the_input
    started = now()
    cloud.submit("a.csv", b"6")
    async with asyncio.timeout(100_000):
        await cloud.run_worker(job_seconds=200)
    ((_, attributes),) = cloud.queue.dead_letters
    assert "WORKER_JOB_SECONDS (200)" in attributes["error_message"]
    assert re.search(r"kept changing, and was started again \d+ times", attributes["error_message"])
    assert now() - started < 400


async def test_an_exclusive_job_has_fifteen_minutes_at_most() -> None:
    with pytest.raises(TransientError, match=r"a\.csv took longer than the limit of .* \(900\)$"):
        async with JobTimeouts(3600).limit("a.csv", exclusive=True):
            await asyncio.sleep(10_000)
    assert now() == pytest.approx(900)


async def test_an_exclusive_job_has_no_more_time_than_other_jobs() -> None:
    with pytest.raises(TransientError, match=r"WORKER_JOB_SECONDS \(50\)$"):
        async with JobTimeouts(50).limit("a.csv", exclusive=True):
            await asyncio.sleep(10_000)
    assert now() == pytest.approx(50)


async def test_time_passed_while_a_timeout_is_paused_does_not_count() -> None:
    async with JobTimeouts(50).limit("a.csv") as job_timeout:
        await asyncio.sleep(20)
        resume = job_timeout.pause()
        await asyncio.sleep(1000)
        resume()
        await asyncio.sleep(29)


async def test_a_resumed_timeout_has_the_time_that_was_left() -> None:
    async def job() -> None:
        async with JobTimeouts(50).limit("a.csv") as job_timeout:
            await asyncio.sleep(20)
            resume = job_timeout.pause()
            await asyncio.sleep(1000)
            resume()
            await asyncio.sleep(31)

    with pytest.raises(TransientError):
        await job()
    assert now() == pytest.approx(1050)


async def test_a_job_that_ignores_its_timeout_is_fatal_and_named() -> None:
    timeouts = JobTimeouts(50)
    with pytest.raises(ExceptionGroup) as error:
        async with watched(timeouts), timeouts.limit("s3://in/a.csv"):
            await ignore_cancellation_until(1000)
    assert error.group_contains(FatalError, match=r"wedged: s3://in/a\.csv was cancelled more than")


async def test_a_job_that_ends_within_a_minute_of_its_timeout_is_not_wedged() -> None:
    timeouts = JobTimeouts(50)
    async with watched(timeouts):
        async with timeouts.limit("a.csv"):
            await ignore_cancellation_until(105)
        await asyncio.sleep(1000)


async def test_a_job_that_is_paused_for_long_is_not_wedged() -> None:
    timeouts = JobTimeouts(50)
    async with watched(timeouts), timeouts.limit("a.csv") as job_timeout:
        resume = job_timeout.pause()
        await asyncio.sleep(10_000)
        resume()


async def test_no_job_is_wedged_after_a_suspension_of_the_process() -> None:
    timeouts = JobTimeouts(50)
    async with watched(timeouts):
        asyncio.get_running_loop().call_later(5, jump, 86_400)
        async with timeouts.limit("a.csv"):
            await ignore_cancellation_until(86_400 + 30)
        await asyncio.sleep(1000)
