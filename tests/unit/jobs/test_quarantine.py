"""A message that may be what kills workers runs alone, in a process of its own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud
from worker.errors import ProcessLost
from worker.interfaces import AsyncInputReader, AsyncOutputSink, ScoreOptions, ScoreResult
from worker.job import S3Uri

SUSPECT, OTHER = b"20", b"10"  # contents, and the seconds that their predictions take


@dataclass
class Noting(FakePool):
    """Notes which bodies wanted a process of their own; an empty one takes ten seconds too."""

    fresh: list[bytes] = field(default_factory=list)

    async def score(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        *,
        on_start: Callable[[], None] = lambda: None,
        fresh: bool = False,
    ) -> ScoreResult:
        if fresh:
            self.fresh.append(reader.first)
        if not reader.first:
            await asyncio.sleep(10)
        return await super().score(reader, options, output, on_start=on_start, fresh=fresh)


class SlowUploads(FakeStorage):
    """Every upload takes five seconds."""

    async def put(self, uri: S3Uri, body: bytes, **about: Any) -> None:  # noqa: ANN401 - the seam's
        await asyncio.sleep(5)
        await super().put(uri, body, **about)


async def received_before(queue: FakeQueue, times: int) -> None:
    """Let what is in the queue have been received, and given back, so many times."""
    for _ in range(times):
        messages = await queue.receive(10, 1)
        await queue.change_visibility([(message.receipt_handle, 0) for message in messages])


@dataclass
class Crowd:
    """A cloud with a message that has been received before, between others that have not."""

    cloud: Cloud
    noting: Noting
    moves: list[tuple[str, str]]  # downloads when they begin, uploads when they end

    @classmethod
    async def gather(cls, received: int, other: bytes = OTHER) -> "Crowd":
        noting = Noting()
        queue = FakeQueue(max_receive_count=5)
        cloud = Cloud(queue=queue, storage=SlowUploads(), pool=noting)
        cloud.submit("suspect.csv", SUSPECT)
        await received_before(cloud.queue, received)
        for number in range(4):
            cloud.submit(f"{number}.csv", other)
        moves: list[tuple[str, str]] = []

        def note(name: str, uri: S3Uri) -> None:
            if name in {"get", "put"}:
                moves.append((name, uri.key))

        cloud.storage.before = note
        return cls(cloud, noting, moves)

    def beside_the_suspect(self) -> list[tuple[str, str]]:
        """What moved between its download and its upload."""
        first = self.moves.index(("get", "suspect.csv"))
        return self.moves[first + 1 : self.moves.index(("put", "p/suspect.csv"))]


async def test_while_a_suspect_is_under_way_no_other_job_is() -> None:
    crowd = await Crowd.gather(received=3)
    await crowd.cloud.work()
    assert crowd.beside_the_suspect() == []
    assert len(crowd.cloud.outputs()) == 5


async def test_a_message_that_is_no_suspect_yet_runs_beside_others() -> None:
    crowd = await Crowd.gather(received=2)
    await crowd.cloud.work()
    assert crowd.beside_the_suspect() != []
    assert crowd.noting.fresh == []


async def test_a_suspect_waits_for_those_that_are_under_way() -> None:
    crowd = await Crowd.gather(received=2)

    def kill_once(content: bytes) -> None:
        if content == SUSPECT and not crowd.noting.fresh:
            raise ProcessLost("killed")

    crowd.noting.before = kill_once
    await crowd.cloud.work(retry_seconds=1, idle_seconds=60)
    *others, download, upload = crowd.moves
    assert [download, upload] == [("get", "suspect.csv"), ("put", "p/suspect.csv")]
    assert [name for name, _ in others].count("put") == 4


async def test_only_a_suspect_has_a_process_to_itself() -> None:
    crowd = await Crowd.gather(received=3)
    await crowd.cloud.work()
    assert crowd.noting.fresh == [SUSPECT]


async def test_two_suspects_run_one_after_the_other() -> None:
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=Noting())
    cloud.submit("a.csv", SUSPECT)
    cloud.submit("b.csv", SUSPECT)
    await received_before(cloud.queue, 3)
    await cloud.work()
    assert cloud.pool.most_running == 1
    assert len(cloud.outputs()) == 2


async def test_an_empty_file_takes_its_place_among_the_bytes() -> None:
    crowd = await Crowd.gather(received=3, other=b"")
    await crowd.cloud.work()
    assert crowd.beside_the_suspect() == []
    assert len(crowd.cloud.outputs()) == 5


@pytest.mark.parametrize("ends_badly", [ProcessLost("killed"), RuntimeError("no idea")])
async def test_others_go_on_after_a_suspect_that_failed(ends_badly: Exception) -> None:
    crowd = await Crowd.gather(received=4)

    def fail(content: bytes) -> None:
        if content == SUSPECT:
            raise ends_badly

    crowd.noting.before = fail
    await crowd.cloud.work()
    assert {f"p/{number}.csv" for number in range(4)} < crowd.cloud.outputs().keys()
    assert [attributes["error_type"] for _, attributes in crowd.cloud.queue.dead] == ["GaveUp"]


async def test_a_suspect_keeps_its_lease_while_it_waits_for_its_turn() -> None:
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=Noting())
    cloud.submit("suspect.csv", SUSPECT)
    await received_before(cloud.queue, 3)
    cloud.submit("long.csv", b"1000")
    async with cloud.working(concurrency=2, consumers=1, idle_seconds=-1):
        await asyncio.sleep(1200)
    assert sorted(cloud.pool.scored) == [b"1000", SUSPECT]
