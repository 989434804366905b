"""Regression tests: each plays a schedule of events that once broke a promise of the worker."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.fakes.faults import raising
from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import INPUT, OUTPUT, Cloud, body, output, report
from worker.clock import now
from worker.errors import FatalError, LeaseLost, Unparsable
from worker.job import Message, S3Uri
from worker.lifecycle.stop import Stop
from worker.queue.leases import Leases
from worker.queue.sqs import EntryResult
from worker.storage.provenance import InputVersion


class SlowReceives(FakeQueue):
    """The answer to each receive takes 0.2 s to arrive."""

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        messages = await super().receive(limit, wait_seconds)
        await asyncio.sleep(0.2)
        return messages


async def test_messages_of_a_poll_under_way_are_released_when_the_worker_fails() -> None:
    cloud = Cloud(queue=SlowReceives())
    cloud.submit("a.csv")
    cloud.storage.before = raising(FatalError("ExpiredToken"), on="get")
    with pytest.raises(ExceptionGroup):
        await cloud.run_worker(idle_seconds=-1)
    assert len(cloud.queue.visible()) == 1


async def test_the_wait_for_a_process_does_not_count_as_the_jobs_time() -> None:
    pool = FakePool(slots=asyncio.Semaphore(1))
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=pool)
    for number in range(10):
        cloud.submit(f"{number}.csv", b"60")
    await cloud.run_worker(job_seconds=100)
    assert len(cloud.outputs()) == 10
    assert cloud.queue.dead_letters == []


async def test_a_cancelled_error_raised_by_the_pool_does_not_end_the_processor() -> None:
    cloud = Cloud()
    cloud.submit("a.csv")

    def raise_cancelled(_: bytes) -> None:
        if len(cloud.queue.calls_to("receive")) < 3:
            raise asyncio.CancelledError

    cloud.pool.before = raise_cancelled
    await cloud.run_worker(concurrency=1, idle_seconds=120)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


class LateRefusal(FakeQueue):
    """The refusal of a heartbeat arrives at the very deadline of its lease."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        if now() < 2.0:
            return [EntryResult.FAILED] * len(changes)
        if now() < 3.01:
            await asyncio.sleep(3.01 - now())
            return [EntryResult.REFUSED] * len(changes)
        return await super().change_visibility(changes)


async def test_a_lease_that_is_lost_twice_cancels_its_job_once() -> None:
    cloud = Cloud(queue=LateRefusal(visibility_seconds=3))
    cloud.submit("a.csv", b"100")
    async with cloud.running_worker(idle_seconds=-1, concurrency=1, consumers=1):
        await asyncio.sleep(1)
        cloud.queue.messages.clear()
        await asyncio.sleep(9)
        cloud.submit("b.csv", b"5")
        await asyncio.sleep(100)
        assert output("b.csv") in cloud.storage.versions


async def test_a_lost_lease_stays_lost_when_its_message_is_received_again() -> None:
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


async def test_a_heartbeat_is_sent_again_after_an_unexpected_error() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", b"100")

    def fail_once(name: str, _: object) -> None:
        if name == "change_visibility" and len(cloud.queue.calls_to(name)) == 1:
            raise KeyError(name)

    cloud.queue.before = fail_once
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"100"}


async def test_an_older_input_replaces_no_output_when_every_version_id_is_null() -> None:
    cloud = Cloud(storage=FakeStorage("Suspended"))
    source = S3Uri(INPUT, "a.csv")
    cloud.storage.add(source, b"old")
    cloud.queue.send(body("a.csv"))

    def write_newer_output(content: bytes) -> None:
        if content == b"old":
            new = cloud.storage.add(source, b"new")
            metadata = InputVersion(source, new.etag, "null", None).metadata()
            cloud.storage.add(output("a.csv"), b"NEW", metadata)

    cloud.pool.before = write_newer_output
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"NEW"}


@pytest.mark.parametrize(
    ("call", "content"), [("change_visibility", b"1000"), ("delete", b"10"), ("receive", b"10")]
)
async def test_a_call_that_hangs_does_not_outlast_the_drain(call: str, content: bytes) -> None:
    cloud = Cloud()
    cloud.submit("a.csv", content)
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(cloud.run_worker(stop, idle_seconds=-1, drain_seconds=50))
        await asyncio.sleep(5)
        cloud.queue.before = lambda name, _: asyncio.sleep(3600) if name == call else None
        stop.request("SIGTERM")
        started = now()
        await worker
    assert now() - started <= 50


class Unread(FakeStorage):
    """S3 accepts the first upload and never reads it."""

    def __init__(self) -> None:
        super().__init__()
        self._put = self._s3.put_object
        self._s3.put_object = self._hang_first  # type: ignore[method-assign]

    async def _hang_first(self, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - passed on
        if len(self.calls) <= 2:  # a read, and the first upload
            await asyncio.Event().wait()
        return await self._put(**request)


async def test_an_upload_that_nobody_reads_holds_a_job_for_minutes_and_not_for_an_hour() -> None:
    cloud = Cloud(storage=Unread())
    cloud.submit("a.csv")
    await cloud.run_worker(idle_seconds=60, retry_seconds=1)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}
    assert now() < 300


async def test_a_dead_letter_has_its_reason_though_the_report_cannot_be_written() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", output_key="p" * 1020)
    await cloud.run_worker()
    ((_, attributes),) = cloud.queue.dead_letters
    assert "1024 bytes" in attributes["error_message"]
    assert not cloud.queue.messages


async def test_a_report_never_replaces_an_output() -> None:
    cloud = Cloud()
    cloud.submit("_failed/a.csv.json", b"a table of that name")
    await cloud.run_worker()
    cloud.submit("a.csv")
    cloud.pool.before = raising(Unparsable("not a table"))
    await cloud.run_worker()
    assert cloud.storage.body(S3Uri(OUTPUT, "p/_failed/a.csv.json")) == b"A TABLE OF THAT NAME"
    assert len(cloud.queue.dead_letters) == 1


async def test_a_later_report_replaces_an_earlier_one() -> None:
    cloud = Cloud()

    def fail(_: bytes) -> None:
        raise Unparsable(f"at {now():.0f} s")

    cloud.pool.before = fail
    for _ in range(2):
        cloud.submit("a.csv")
        await cloud.run_worker()
    assert len(cloud.storage.versions[report("a.csv")]) == 2


class MeasuringPool(FakePool):
    """Measures how many bytes of input were held at once, at most."""

    held = most_held = 0

    async def _predict(self, body: bytes) -> bytes:
        self.held += len(body)
        self.most_held = max(self.most_held, self.held)
        await asyncio.sleep(10)
        self.held -= len(body)
        return body


async def test_inputs_of_unknown_size_stay_within_the_byte_budget() -> None:
    pool = MeasuringPool()
    cloud = Cloud(pool=pool)
    for number in range(64):
        cloud.submit(f"{number}.csv", b"x" * (1 << 20))
    await cloud.run_worker(memory_mb=64, concurrency=64)
    # Each job holds twice its input, because its output has the same size.
    assert 4 << 20 < pool.most_held <= 32 << 20


def test_a_signal_after_idleness_is_the_first_signal() -> None:
    stop = Stop()
    stop.request("idle")
    stop.request("SIGTERM")
    stop.request("SIGINT")
    assert stop.reason == "SIGTERM"
