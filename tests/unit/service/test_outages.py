"""Outages of S3 and SQS: they cost time, and neither receives nor predictions."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.worker import INPUT, OUTPUT, Cloud, body, report
from worker.clock import now
from worker.errors import FatalError, InfrastructureError, TransientError, Unparsable
from worker.job import S3Uri
from worker.jobs.limits import PATIENCE_SECONDS
from worker.lifecycle.stop import Stop

READS, WRITES = {"get", "read", "head"}, {"put", "begin", "put_part", "complete", "abort"}
RECEIVES = 10


def new_cloud(messages: int, pool: FakePool | None = None) -> Cloud:
    cloud = Cloud(queue=FakeQueue(120, max_receive_count=RECEIVES), pool=pool or FakePool())
    for number in range(messages):
        cloud.submit(f"{number}.csv", b"2")
    return cloud


def outage(end: float, calls: set[str], *, start: float = 0.0) -> Callable[..., None]:
    def before(name: str, _: object) -> None:
        if name in calls and start <= now() < end:
            raise InfrastructureError("503")

    return before


def receives(cloud: Cloud) -> int:
    """Return how many messages were received, again and again."""
    return len(cloud.queue._simulated.issued)


def receive_limits(cloud: Cloud, start: float, end: float) -> list[int]:
    """Return how many messages each receive of a time asked for."""
    return [
        arguments[0]
        for at, name, arguments in cloud.queue.calls
        if name == "receive" and start <= at < end and isinstance(arguments, tuple)
    ]


@pytest.mark.parametrize("calls", [READS | WRITES, READS, WRITES], ids=["S3", "reads", "writes"])
@pytest.mark.parametrize("start", [0.0, 3.0])
async def test_an_hour_without_s3_costs_no_receive_and_no_prediction(
    calls: set[str], start: float
) -> None:
    cloud = new_cloud(100)
    cloud.storage.before = outage(start + 3600, calls, start=start)
    await cloud.run_worker()
    assert len(cloud.outputs()) == len(cloud.pool.predicted) == receives(cloud) == 100
    assert cloud.queue.dead_letters == []
    assert now() <= start + 3600 + 300


async def test_an_hour_without_s3_uses_few_receives_of_a_single_message() -> None:
    cloud = new_cloud(1)
    cloud.storage.before = outage(3600, READS | WRITES)
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(3600 + 300)
        assert len(cloud.outputs()) == 1
    assert receives(cloud) <= 5


async def test_a_finished_prediction_waits_for_longer_than_a_quarter_of_an_hour() -> None:
    cloud = new_cloud(1)
    cloud.storage.before = outage(2 * PATIENCE_SECONDS, WRITES)
    await cloud.run_worker()
    assert len(cloud.pool.predicted) == receives(cloud) == 1
    assert cloud.outputs() == {"p/0.csv": b"2"}


async def test_nothing_is_received_while_the_breaker_is_tripped() -> None:
    cloud = new_cloud(100)
    cloud.storage.before = outage(3600, READS | WRITES)
    async with cloud.running_worker():
        await asyncio.sleep(3500)
        assert receive_limits(cloud, 30, 3500) == []
        assert receives(cloud) <= 32


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_a_worker_recovers_though_the_consumer_with_the_slots_is_not_the_first(
    concurrency: int,
) -> None:
    cloud = new_cloud(0)
    for number in range(2 * concurrency):
        cloud.submit(f"long-{number}.csv", b"30")
    cloud.queue.before = outage(205, {"change_visibility"}, start=5)
    chosen = {"concurrency": concurrency, "consumers": 3, "wait_seconds": 0}
    async with cloud.running_worker(idle_seconds=-1, **chosen):
        await asyncio.sleep(225)
        for number in range(30):
            cloud.submit(f"{number}.csv", b"2")
        await asyncio.sleep(1500)
    assert len(cloud.outputs()) == 30 + 2 * concurrency


async def test_a_tripped_worker_with_nothing_in_hand_receives_one_message_to_probe() -> None:
    cloud = new_cloud(100)
    cloud.storage.before = outage(1000, READS | WRITES)
    # Without heartbeats every lease is lost.
    cloud.queue.before = outage(250, {"receive", "change_visibility"}, start=20)
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(2000)
    assert receive_limits(cloud, 250, 1000) == [1]
    assert len(cloud.outputs()) == 100


async def test_a_worker_that_waits_for_s3_is_neither_idle_nor_wedged() -> None:
    cloud = new_cloud(20)
    cloud.storage.before = outage(20_000, READS | WRITES)
    async with cloud.running_worker(idle_seconds=60, job_seconds=60) as stop:
        await asyncio.sleep(20_000)
        assert stop.reason is None
        await asyncio.sleep(100)
        assert len(cloud.outputs()) == 20


async def test_a_stop_during_an_outage_releases_every_message_in_time() -> None:
    cloud = new_cloud(50)
    cloud.storage.before = outage(10**6, READS | WRITES)
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(cloud.run_worker(stop, idle_seconds=-1, drain_seconds=90))
        await asyncio.sleep(1000)
        stop.request("SIGTERM")
        await worker
    assert now() <= 1090
    assert len(cloud.queue.visible()) == 50


async def test_a_stop_ends_the_receives_of_a_tripped_worker() -> None:
    cloud = new_cloud(50)
    cloud.storage.before = outage(10**6, READS | WRITES)
    async with cloud.running_worker(idle_seconds=-1) as stop:
        await asyncio.sleep(1000)
        before = len(cloud.queue.calls_to("receive"))
        stop.request("SIGTERM")
        await asyncio.sleep(50)
        assert len(cloud.queue.calls_to("receive")) == before


async def test_an_outage_is_no_reason_to_give_up_a_job_on_its_last_receives() -> None:
    cloud = new_cloud(1)
    for _ in range(RECEIVES - 1):  # so that it runs exclusively
        messages = await cloud.queue.receive(10, 1)
        await cloud.queue.change_visibility([(messages[0].receipt_handle, 0)])
    cloud.storage.before = outage(800, READS | WRITES)
    await cloud.run_worker(job_seconds=100)
    assert cloud.outputs() == {"p/0.csv": b"2"}
    assert receives(cloud) == RECEIVES
    assert cloud.queue.dead_letters == []


async def test_the_failure_of_a_bad_file_is_recorded_after_an_outage_with_one_receive() -> None:
    cloud = new_cloud(1)
    cloud.pool.before = raising(Unparsable("not a table"))
    cloud.storage.before = outage(1000, WRITES)
    await cloud.run_worker()
    ((_, attributes),) = cloud.queue.dead_letters
    assert attributes["receive_count"] == "1"
    assert json.loads(cloud.storage.body(report("0.csv")))["message"] == "not a table"


async def test_a_newer_version_that_comes_during_the_outage_supersedes_the_bad_file() -> None:
    cloud = Cloud(queue=FakeQueue(120, max_receive_count=RECEIVES))
    source = S3Uri(INPUT, "a.csv")
    old = cloud.storage.add(source, b"bad file")
    cloud.queue.send(body("a.csv", etag=old.etag, version_id=old.version_id, sequencer="01"))

    def refuse(content: bytes) -> None:
        if content == b"bad file":
            raise Unparsable("not a table")

    cloud.pool.before = refuse
    cloud.storage.before = outage(1000, WRITES)
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(500)
        new = cloud.storage.add(source, b"good")
        cloud.queue.send(body("a.csv", etag=new.etag, version_id=new.version_id, sequencer="02"))
        await asyncio.sleep(1000)
    assert cloud.queue.dead_letters == []
    assert cloud.outputs() == {"p/a.csv": b"GOOD"}


async def test_a_newer_version_without_a_message_is_predicted_after_the_outage() -> None:
    cloud = Cloud(queue=FakeQueue(120, max_receive_count=RECEIVES))
    cloud.submit("a.csv", b"bad file")
    cloud.pool.before = lambda content: raising(Unparsable("bad"))() if b" " in content else None
    cloud.storage.before = outage(1000, WRITES)
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(500)
        cloud.storage.add(S3Uri(INPUT, "a.csv"), b"good")
        await asyncio.sleep(1000)
    assert cloud.queue.dead_letters == []
    assert cloud.outputs() == {"p/a.csv": b"GOOD"}


async def test_nothing_is_received_while_deletes_fail() -> None:
    cloud = new_cloud(100)
    cloud.queue.before = outage(3600, {"delete"})
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(3500)
        used = receives(cloud)
        assert receive_limits(cloud, 60, 3500) == []
        await asyncio.sleep(600)
        assert not cloud.queue.messages
    assert cloud.queue.dead_letters == []
    assert receives(cloud) <= 100 + used


@pytest.mark.parametrize("seconds", [b"2", b"500"])
async def test_an_hour_without_heartbeats_uses_few_receives(seconds: bytes) -> None:
    cloud = new_cloud(0)
    for number in range(20):
        cloud.submit(f"{number}.csv", seconds)
    cloud.queue.before = outage(3600, {"change_visibility"})
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(3600)
        assert receives(cloud) <= 20 + 10
        await asyncio.sleep(2000)
        assert len(cloud.outputs()) == 20
    assert cloud.queue.dead_letters == []


async def test_an_hour_without_heartbeats_does_not_use_up_the_receives_of_a_long_job() -> None:
    cloud = new_cloud(0)
    cloud.submit("a.csv", b"500")
    cloud.queue.before = outage(3600, {"change_visibility"})
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(6000)
    assert cloud.outputs() == {"p/a.csv": b"500"}
    assert receives(cloud) < RECEIVES


async def test_a_worker_whose_deletes_fail_is_not_idle() -> None:
    cloud = new_cloud(1)
    cloud.queue.before = outage(3600, {"delete"})
    await cloud.run_worker(idle_seconds=0)
    assert now() >= 3600
    assert receives(cloud) == 2  # once more, as its first receipt handle has expired
    assert not cloud.queue.messages


async def test_an_hour_without_sqs_costs_one_receive_of_what_is_in_hand() -> None:
    cloud = new_cloud(100, FakePool(slots=asyncio.Semaphore(2)))
    cloud.queue.before = outage(
        3610, {"receive", "delete", "change_visibility", "dead_letter"}, start=10
    )
    while cloud.queue.messages:
        try:
            await cloud.run_worker()
        except* FatalError:
            await asyncio.sleep(300)  # the sweep starts a new worker
    assert len(cloud.outputs()) == 100
    assert cloud.queue.dead_letters == []
    assert receives(cloud) <= 100 + 32


async def test_receives_that_fail_do_not_end_a_worker_with_jobs_in_hand() -> None:
    cloud = new_cloud(0)
    cloud.submit("a.csv", b"1000")
    cloud.queue.before = outage(10**6, {"receive"}, start=5)
    with pytest.raises(ExceptionGroup) as error:
        await cloud.run_worker(idle_seconds=-1)
    assert error.group_contains(FatalError, match="no receive has succeeded")
    assert cloud.outputs() == {"p/a.csv": b"1000"}
    assert now() < 1100


async def test_denied_access_is_retried_after_the_longest_backoff_and_names_the_permission(
    logs: LogCapture,
) -> None:
    cloud = new_cloud(1)

    async def denied(**_: object) -> None:
        response = {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}
        raise ClientError(response, "GetObject")  # type: ignore[arg-type] # only the fields needed

    cloud.storage._s3.get_object = denied  # type: ignore[assignment, method-assign] # of any arguments
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(800)
    line = next(entry for entry in logs.entries if entry["event"] == "job failed, retrying")
    assert line["error_type"] == "AccessDenied"
    assert 720 <= line["retry_in_seconds"] <= 900
    assert line["error"].startswith("reading s3://in/0.csv: ")
    assert "no permission s3:GetObject (of a version: s3:GetObjectVersion)" in line["error"]
    assert "s3:ListBucket on the bucket" in line["error"]


@pytest.mark.parametrize(
    ("operation", "needed"),
    [
        ("head_object", "no permission s3:GetObject on the object, or"),
        ("put_object", "no permission s3:PutObject on s3://out/k"),
        ("create_multipart_upload", "no permission s3:PutObject on s3://out/k"),
        ("upload_part", "no permission s3:PutObject on s3://out/k"),
        ("complete_multipart_upload", "no permission s3:PutObject on s3://out/k"),
        ("abort_multipart_upload", "no permission s3:AbortMultipartUpload on s3://out/k"),
    ],
)
async def test_each_denied_call_names_what_the_role_needs(operation: str, needed: str) -> None:
    storage, uri = Cloud().storage, S3Uri(OUTPUT, "k")
    name = "".join(part.title() for part in operation.split("_"))

    async def denied(**_: object) -> None:
        response = {"Error": {"Code": "403", "Message": "Forbidden"}}
        raise ClientError(response, name)  # type: ignore[arg-type] # only the fields needed

    setattr(storage._s3, operation, denied)
    about: dict[str, Any] = {"metadata": {}, "content_type": "text/csv"}
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "head_object": lambda: storage.head(uri),
        "put_object": lambda: storage.put(uri, b"", **about, replacing=None),
        "create_multipart_upload": lambda: storage.begin(uri, **about),
        "upload_part": lambda: storage.put_part(uri, "u", 1, b""),
        "complete_multipart_upload": lambda: storage.complete(uri, "u", [], replacing=None),
        "abort_multipart_upload": lambda: storage.abort(uri, "u"),
    }
    with pytest.raises(TransientError) as error:
        await calls[operation]()
    assert needed in str(error.value)
