"""Exclusive jobs: a message that failed often runs while no other job runs, in a new process."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud
from worker.errors import ProcessLost
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


async def test_an_exclusive_job_keeps_its_lease_while_it_waits_for_other_jobs() -> None:
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=RecordingPool())
    cloud.submit("exclusive.csv", EXCLUSIVE)
    await receive_and_release(cloud.queue, 3)
    cloud.submit("long.csv", b"1000")
    async with cloud.running_worker(concurrency=2, consumers=1, idle_seconds=-1):
        await asyncio.sleep(1200)
    assert sorted(cloud.pool.predicted) == [b"1000", EXCLUSIVE]
