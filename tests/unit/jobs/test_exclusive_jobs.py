"""Exclusive jobs: a message that failed often runs while no other job runs, in a new process."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud
from worker.errors import NeedsMemory, ProcessLost
from worker.interfaces import AsyncInputReader, AsyncOutputSink, ScoreOptions
from worker.job import S3Uri

EXCLUSIVE, OTHER = b"20", b"10"  # inputs; each is the seconds that its prediction takes


@dataclass
class RecordingPool(FakePool):
    """Records in `fresh` which inputs ran in a new process; an empty input takes ten seconds."""

    fresh: list[bytes] = field(default_factory=list)

    async def prepare(
        self, reader: AsyncInputReader, _: ScoreOptions, __: AsyncOutputSink, *, fresh: bool
    ) -> None:
        if fresh:
            self.fresh.append(reader.first)
        if not reader.first:
            await asyncio.sleep(10)


class SlowUploads(FakeStorage):
    """Every upload takes five seconds."""

    async def put(self, uri: S3Uri, body: bytes, **options: Any) -> None:  # noqa: ANN401 - passed on unchanged
        await asyncio.sleep(5)
        await super().put(uri, body, **options)


async def receive_and_release(queue: FakeQueue, times: int) -> None:
    """Receive all messages of the queue and release them, that many times."""
    for _ in range(times):
        messages = await queue.receive(10, 1)
        await queue.change_visibility([(message.receipt_handle, 0) for message in messages])


@dataclass
class Scene:
    """One message that was received and released before, and four new messages."""

    cloud: Cloud
    pool: RecordingPool
    transfers: list[tuple[str, str]]  # starts of downloads and ends of uploads, with their keys

    @classmethod
    async def build(cls, received: int, other: bytes = OTHER) -> "Scene":
        pool = RecordingPool()
        queue = FakeQueue(max_receive_count=5)
        cloud = Cloud(queue=queue, storage=SlowUploads(), pool=pool)
        cloud.submit("exclusive.csv", EXCLUSIVE)
        await receive_and_release(cloud.queue, received)
        for number in range(4):
            cloud.submit(f"{number}.csv", other)
        transfers: list[tuple[str, str]] = []

        def record(name: str, uri: S3Uri) -> None:
            if name in {"get", "put"}:
                transfers.append((name, uri.key))

        cloud.storage.before = record
        return cls(cloud, pool, transfers)

    def transfers_during_exclusive(self) -> list[tuple[str, str]]:
        """Return the other jobs' transfers from the exclusive job's download to its upload."""
        start = self.transfers.index(("get", "exclusive.csv"))
        return self.transfers[start + 1 : self.transfers.index(("put", "p/exclusive.csv"))]


async def test_no_other_job_runs_while_an_exclusive_job_runs() -> None:
    scene = await Scene.build(received=3)
    await scene.cloud.run_worker()
    assert scene.transfers_during_exclusive() == []
    assert len(scene.cloud.outputs()) == 5


async def test_a_message_on_an_earlier_receive_runs_beside_other_jobs() -> None:
    scene = await Scene.build(received=2)
    await scene.cloud.run_worker()
    assert scene.transfers_during_exclusive() != []
    assert scene.pool.fresh == []


async def test_an_exclusive_job_waits_for_the_jobs_under_way() -> None:
    scene = await Scene.build(received=2)

    def kill_once(content: bytes) -> None:
        if content == EXCLUSIVE and not scene.pool.fresh:
            raise ProcessLost("killed")

    scene.pool.before = kill_once
    await scene.cloud.run_worker(retry_seconds=1, idle_seconds=60)
    *others, download, upload = scene.transfers
    assert [download, upload] == [("get", "exclusive.csv"), ("put", "p/exclusive.csv")]
    assert [name for name, _ in others].count("put") == 4


async def test_only_an_exclusive_job_runs_in_a_new_process() -> None:
    scene = await Scene.build(received=3)
    await scene.cloud.run_worker()
    assert scene.pool.fresh == [EXCLUSIVE]


async def test_two_exclusive_jobs_run_one_after_the_other() -> None:
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=RecordingPool())
    cloud.submit("a.csv", EXCLUSIVE)
    cloud.submit("b.csv", EXCLUSIVE)
    await receive_and_release(cloud.queue, 3)
    await cloud.run_worker()
    assert cloud.pool.most_running == 1
    assert len(cloud.outputs()) == 2


async def test_no_job_with_an_empty_file_runs_beside_an_exclusive_job() -> None:
    scene = await Scene.build(received=3, other=b"")
    await scene.cloud.run_worker()
    assert scene.transfers_during_exclusive() == []
    assert len(scene.cloud.outputs()) == 5


@pytest.mark.parametrize("error", [ProcessLost("killed"), RuntimeError("unknown")])
async def test_other_jobs_run_after_an_exclusive_job_failed(error: Exception) -> None:
    scene = await Scene.build(received=4)

    def fail(content: bytes) -> None:
        if content == EXCLUSIVE:
            raise error

    scene.pool.before = fail
    await scene.cloud.run_worker()
    assert {f"p/{number}.csv" for number in range(4)} < scene.cloud.outputs().keys()
    assert [attributes["error_type"] for _, attributes in scene.cloud.queue.dead_letters] == [
        "GaveUp"
    ]


async def meeting(long: bytes, exclusive: bytes = EXCLUSIVE) -> Cloud:
    """Return a cloud with a long job, which a suspect one meets ten seconds later."""
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=RecordingPool())
    cloud.submit("exclusive.csv", exclusive)
    await receive_and_release(cloud.queue, 2)
    (message,) = await cloud.queue.receive(10, 1)
    await cloud.queue.change_visibility([(message.receipt_handle, 10)])
    cloud.submit("long.csv", long)
    return cloud


def fresh(cloud: Cloud) -> list[bytes]:
    assert isinstance(cloud.pool, RecordingPool)
    return cloud.pool.fresh


async def test_an_exclusive_job_runs_alone_if_the_others_end_within_a_minute() -> None:
    cloud = await meeting(b"65")
    async with cloud.running_worker(concurrency=2, idle_seconds=-1):
        await asyncio.sleep(100)
    assert cloud.pool.predicted == [b"65", EXCLUSIVE]
    assert cloud.pool.most_running == 1


async def test_an_exclusive_job_waits_a_minute_for_others_and_then_runs_beside_them(
    logs: LogCapture,
) -> None:
    cloud = await meeting(b"1000")
    async with cloud.running_worker(concurrency=2, idle_seconds=-1):
        await asyncio.sleep(68)
        assert fresh(cloud) == []
        await asyncio.sleep(25)
        assert cloud.pool.predicted == [EXCLUSIVE]
        await asyncio.sleep(1000)
    assert fresh(cloud) == [EXCLUSIVE]  # in a process of its own all the same
    assert cloud.pool.predicted == [EXCLUSIVE, b"1000"]
    events = [line["event"] for line in logs.entries]
    assert events.count("job runs beside others") == 1
    assert "lease lost" not in events


async def test_an_exclusive_job_that_waits_keeps_others_waiting_for_a_minute_at_most() -> None:
    cloud = await meeting(b"1000")
    async with cloud.running_worker(concurrency=4, idle_seconds=-1):
        await asyncio.sleep(20)
        cloud.submit("later.csv", b"1")
        await asyncio.sleep(48)
        assert cloud.pool.predicted == []
        await asyncio.sleep(5)
        assert cloud.pool.predicted == [b"1"]


async def test_an_exclusive_job_runs_for_fifteen_minutes_at_most(logs: LogCapture) -> None:
    cloud = await meeting(b"1", exclusive=b"2000")
    async with cloud.running_worker(concurrency=4, idle_seconds=-1, retry_seconds=900):
        await asyncio.sleep(20)
        cloud.submit("later.csv", b"3")
        await asyncio.sleep(880)
        assert cloud.pool.predicted == [b"1"]
        await asyncio.sleep(20)
        assert cloud.pool.predicted == [b"1", b"3"]
    (error,) = [line["error"] for line in logs.entries if line["event"] == "job failed, retrying"]
    assert error == (
        "s3://in/exclusive.csv took longer than the limit of a job that has failed often (900)"
    )


async def test_a_file_that_needs_more_memory_does_not_wait_for_another_minute() -> None:
    cloud = await meeting(b"1000")
    asked: list[bytes] = []

    def ask_twice(content: bytes) -> None:
        if content == EXCLUSIVE and len(asked) < 2:
            asked.append(content)
            raise NeedsMemory(str(1 << 20))

    cloud.pool.before = ask_twice
    async with cloud.running_worker(concurrency=2, idle_seconds=-1):
        await asyncio.sleep(95)
        assert cloud.pool.predicted == [EXCLUSIVE]
