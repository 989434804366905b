"""Schedules that once broke a promise: each was found by looking for it, and stays here."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue, now
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import INPUT, OUTPUT, Cloud, body, output, report
from worker.errors import FatalError, LeaseLost, Unparsable
from worker.job import Message, S3Uri
from worker.lifecycle.stop import Stop
from worker.queue.leases import Leases
from worker.queue.sqs import EntryResult
from worker.storage.provenance import InputVersion


class InTransit(FakeQueue):
    """An answer of SQS takes a while to arrive."""

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        messages = await super().receive(limit, wait_seconds)
        await asyncio.sleep(0.2)
        return messages


async def test_what_a_poll_under_way_brings_is_given_back_when_the_worker_fails() -> None:
    cloud = Cloud(queue=InTransit())
    cloud.submit("a.csv")

    def expired(name: str, _: S3Uri) -> None:
        if name == "get":
            raise FatalError("ExpiredToken")

    cloud.storage.before = expired
    with pytest.raises(ExceptionGroup):
        await cloud.work(idle_seconds=-1)
    assert len(cloud.queue.visible()) == 1


async def test_waiting_for_a_process_is_not_the_jobs_time() -> None:
    pool = FakePool(slots=asyncio.Semaphore(1))
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=pool)
    for number in range(10):
        cloud.submit(f"{number}.csv", b"60")
    await cloud.work(job_seconds=100)
    assert len(cloud.outputs()) == 10
    assert cloud.queue.dead == []


async def test_a_cancellation_that_comes_out_of_the_pool_ends_no_processor() -> None:
    cloud = Cloud()
    cloud.submit("a.csv")

    def cancelled(_: bytes) -> None:
        if len(cloud.queue.named("receive")) < 3:
            raise asyncio.CancelledError

    cloud.pool.before = cancelled
    await cloud.work(concurrency=1, idle_seconds=120)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


class LateRefusal(FakeQueue):
    """The refusal of a beat arrives at the very deadline of its lease."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        if now() < 2.0:
            return [EntryResult.FAILED] * len(changes)
        if now() < 3.01:
            await asyncio.sleep(3.01 - now())
            return [EntryResult.REFUSED] * len(changes)
        return await super().change_visibility(changes)


async def test_a_lease_lost_twice_cancels_its_job_once() -> None:
    cloud = Cloud(queue=LateRefusal(visibility_seconds=3))
    cloud.submit("a.csv", b"100")
    async with cloud.working(idle_seconds=-1, concurrency=1, consumers=1):
        await asyncio.sleep(1)
        cloud.queue.messages.clear()
        await asyncio.sleep(9)
        cloud.submit("b.csv", b"5")
        await asyncio.sleep(100)
        assert output("b.csv") in cloud.storage.versions


async def test_a_lost_delivery_stays_lost_when_its_message_comes_again() -> None:
    leases = Leases(FakeQueue(), visibility_seconds=10, heartbeat_seconds=3)
    first, second = Message("m", "h1", "{}"), Message("m", "h2", "{}", 2)
    leases.claim(first)
    await asyncio.sleep(11)
    with pytest.raises(LeaseLost):
        leases.check(first)
    assert leases.claim(second)
    with pytest.raises(LeaseLost):
        await leases.end(first)
    leases.check(second)


async def test_an_error_nobody_foresaw_in_a_heartbeat_is_borne() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"100")

    def once(name: str, _: object) -> None:
        if name == "change_visibility" and len(cloud.queue.named(name)) == 1:
            raise KeyError(name)

    cloud.queue.before = once
    await cloud.work()
    assert cloud.outputs() == {"p/a.csv": b"100"}


async def test_an_older_input_replaces_nothing_where_every_version_is_called_null() -> None:
    cloud = Cloud(storage=FakeStorage("Suspended"))
    place = S3Uri(INPUT, "a.csv")
    cloud.storage.add(place, b"old")
    cloud.queue.send(body("a.csv"))

    def overtake(content: bytes) -> None:
        if content == b"old":
            new = cloud.storage.add(place, b"new")
            made_of = InputVersion(place, new.etag, "null", None).metadata()
            cloud.storage.add(output("a.csv"), b"NEW", made_of)

    cloud.pool.before = overtake
    await cloud.work()
    assert cloud.outputs() == {"p/a.csv": b"NEW"}


@pytest.mark.parametrize(
    ("call", "content"), [("change_visibility", b"1000"), ("delete", b"10"), ("receive", b"10")]
)
async def test_a_call_that_hangs_does_not_outlast_the_drain(call: str, content: bytes) -> None:
    cloud = Cloud()
    cloud.submit("a.csv", content)
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(cloud.work(stop, idle_seconds=-1, drain_seconds=50))
        await asyncio.sleep(5)
        cloud.queue.before = lambda name, _: asyncio.sleep(3600) if name == call else None
        stop.request("SIGTERM")
        started = now()
        await worker
    assert now() - started <= 50


async def test_a_report_that_cannot_be_written_keeps_no_reason_from_the_dead_letter() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", output_key="p" * 1020)
    await cloud.work()
    ((_, reasons),) = cloud.queue.dead
    assert "1024 bytes" in reasons["error_message"]
    assert not cloud.queue.messages


async def test_a_report_never_replaces_an_output() -> None:
    cloud = Cloud()
    cloud.submit("_failed/a.csv.json", b"a table by that name")
    await cloud.work()
    cloud.submit("a.csv")

    def broken(_: bytes) -> None:
        raise Unparsable("not a table")

    cloud.pool.before = broken
    await cloud.work()
    assert cloud.storage.body(S3Uri(OUTPUT, "p/_failed/a.csv.json")) == b"A TABLE BY THAT NAME"
    assert len(cloud.queue.dead) == 1


async def test_a_later_report_replaces_an_earlier_one() -> None:
    cloud = Cloud()

    def broken(_: bytes) -> None:
        raise Unparsable(f"at {now():.0f} s")

    cloud.pool.before = broken
    for _ in range(2):
        cloud.submit("a.csv")
        await cloud.work()
    assert len(cloud.storage.versions[report("a.csv")]) == 2


class Holding(FakePool):
    """Remembers how many bytes were held at once."""

    held = most = 0

    async def _predicted(self, body: bytes) -> bytes:
        self.held += len(body)
        self.most = max(self.most, self.held)
        await asyncio.sleep(10)
        self.held -= len(body)
        return body


async def test_inputs_of_unknown_size_stay_within_the_budget() -> None:
    pool = Holding()
    cloud = Cloud(pool=pool)
    for number in range(64):
        cloud.submit(f"{number}.csv", b"x" * (1 << 20))
    await cloud.work(memory_mb=64, concurrency=64)
    assert 4 << 20 < pool.most <= 32 << 20  # with their outputs, of the same size, twice that


def test_a_signal_after_idleness_is_the_first_signal() -> None:
    stop = Stop()
    stop.request("idle")
    stop.request("SIGTERM")
    stop.request("SIGINT")
    assert stop.reason == "SIGTERM"
