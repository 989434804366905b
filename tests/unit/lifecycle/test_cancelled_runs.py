"""A job of a cancelled run is dropped: nothing is written, and no other job is delayed."""

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.support.fakes.worker import Cloud
from worker.errors import AccessDenied, InfrastructureError
from worker.job import Job, S3Uri
from worker.jobs.output_keys import cancelled_uri
from worker.lifecycle.cancelled_runs import LOOK_SECONDS, REMEMBERED, CancelledRuns
from worker.storage.protocol import Head

MARK = S3Uri("out", "p/_runs/r1/cancelled")


def job(run: str | None = "r1") -> Job:
    return Job(bucket="in", key="a", output_bucket="out", output_key="p", run=run)


@dataclass
class Heads:
    """Answers looks, and counts them."""

    marks: set[S3Uri] = field(default_factory=set)
    looks: list[S3Uri] = field(default_factory=list)
    error: Exception | None = None

    async def head(self, uri: S3Uri) -> Head | None:
        self.looks.append(uri)
        await asyncio.sleep(1)
        if self.error:
            raise self.error
        return Head("e") if uri in self.marks else None


async def test_the_jobs_of_a_cancelled_run_are_dropped_and_no_others() -> None:
    cloud = Cloud()
    cloud.storage.add(MARK, b"")
    cloud.submit("cancelled.csv", run="r1")
    cloud.submit("other.csv", run="r2")
    cloud.submit("live.csv")
    await cloud.run_worker()
    assert set(cloud.outputs()) == {MARK.key, "p/other.csv", "p/live.csv"}
    assert cloud.queue.messages == {}
    assert cloud.queue.dead_letters == []


def test_the_mark_is_below_the_output_key() -> None:
    assert cancelled_uri(job()) == MARK
    assert cancelled_uri(job(None)) is None, "a live file costs no look"
    redriven = job().model_copy(update={"redrives": 1})
    assert cancelled_uri(redriven) is None, "it is wanted after all"


async def test_all_jobs_of_a_run_wait_for_the_first_look() -> None:
    heads, runs = Heads({MARK}), CancelledRuns()
    answers = await asyncio.gather(*(runs.include(MARK, heads.head) for _ in range(3)))
    assert answers == [True] * 3
    assert heads.looks == [MARK]


async def test_a_run_is_looked_for_once_a_minute_and_that_delays_one_job_alone() -> None:
    heads, runs = Heads(), CancelledRuns()
    assert not await runs.include(MARK, heads.head)
    heads.marks.add(MARK)
    assert not await runs.include(MARK, heads.head)
    assert heads.looks == [MARK]
    await asyncio.sleep(LOOK_SECONDS)
    second = asyncio.create_task(runs.include(MARK, heads.head))
    await asyncio.sleep(0)
    assert not await runs.include(MARK, heads.head), "it goes on with the last answer"
    assert await second
    await asyncio.sleep(LOOK_SECONDS)
    assert await runs.include(MARK, heads.head)
    assert heads.looks == [MARK] * 2, "a cancelled run stays cancelled"


async def test_a_late_answer_does_not_bring_a_cancelled_run_back() -> None:
    answers = asyncio.Queue[Head | None]()
    runs = CancelledRuns()
    assert not await runs.include(MARK, Heads().head)
    await asyncio.sleep(LOOK_SECONDS)

    async def late(_: S3Uri) -> Head | None:
        return await answers.get()

    slow = asyncio.create_task(runs.include(MARK, late))
    await asyncio.sleep(LOOK_SECONDS)
    assert await runs.include(MARK, Heads({MARK}).head)
    answers.put_nowait(None)

    assert await slow
    assert await runs.include(MARK, Heads().head)


async def test_a_look_that_fails_is_made_again_by_the_next_job() -> None:
    heads, runs = Heads({MARK}, error=InfrastructureError("no S3")), CancelledRuns()
    with pytest.raises(InfrastructureError):
        await runs.include(MARK, heads.head)
    heads.error = None
    assert await runs.include(MARK, heads.head)


async def test_a_worker_that_may_not_look_predicts() -> None:
    heads = Heads({MARK}, error=AccessDenied("no"))
    assert not await CancelledRuns().include(MARK, heads.head)


async def test_memory_does_not_grow_with_the_runs() -> None:
    heads, runs = Heads(), CancelledRuns()
    for number in range(2 * REMEMBERED):
        await runs.include(S3Uri("out", f"{number}"), heads.head)
    assert len(runs._known) == REMEMBERED
