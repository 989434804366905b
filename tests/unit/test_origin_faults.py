"""Faults of the system that this project replaces; each test is named for the right behaviour.

Faults of its dispatcher are tested in dispatcher/test_fleet.py (a task started by RunTask is
counted) and dispatcher/test_events.py (every record is used, and keys are decoded once), its single
role for everything in template/test_roles.py, its unchecked pickle in service/test_model_fetch.py.
"""

import asyncio

from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.worker import INPUT, Cloud, body, output, report
from worker.clock import now
from worker.errors import TransientError, Unparsable
from worker.job import S3Uri


async def test_the_worker_receives_until_the_queue_is_empty() -> None:
    cloud = Cloud()
    for number in range(35):
        cloud.submit(f"{number}.csv")
    await cloud.run_worker()
    assert not cloud.queue.messages
    assert len(cloud.outputs()) == 35


async def test_an_idle_worker_long_polls_and_receives_a_message_at_once() -> None:
    cloud = Cloud()
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(1000)
        cloud.submit("a.csv")
        await asyncio.sleep(0.5)
        assert cloud.outputs()
    calls = [call for call in cloud.queue.calls_to("receive") if isinstance(call, tuple)]
    assert {wait_seconds for _, wait_seconds in calls} == {20}


async def test_a_failed_upload_deletes_nothing() -> None:
    cloud = Cloud()
    cloud.submit("a.csv")
    cloud.storage.before = raising(TransientError("S3 answers 503"), on="put")
    await cloud.run_worker()
    assert cloud.queue.calls_to("delete") == []
    assert len(cloud.queue.messages) == 1


async def test_a_message_is_deleted_only_after_its_output_is_durable() -> None:
    cloud = Cloud()
    cloud.submit("a.csv")
    durable: list[bool] = []

    def record_output(name: str, _: object) -> None:
        if name == "delete":
            durable.append(output("a.csv") in cloud.storage.versions)

    cloud.queue.before = record_output
    await cloud.run_worker()
    assert durable == [True]


async def test_files_predicted_in_the_same_second_have_separate_outputs() -> None:
    cloud = Cloud()
    for number in range(20):
        cloud.submit(f"{number}.csv", b"content %d" % number)
    await cloud.run_worker()
    assert len(set(cloud.outputs().values())) == 20


async def test_a_job_slower_than_the_visibility_timeout_is_not_run_twice() -> None:
    cloud = Cloud()
    cloud.submit("slow.csv", b"300")
    async with cloud.running_worker(idle_seconds=-1), cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(400)
    assert cloud.pool.predicted == [b"300"]


async def test_a_bad_file_is_dead_lettered_and_does_not_delay_other_files() -> None:
    cloud = Cloud()
    cloud.submit("bad.csv", b"bad")
    cloud.submit("good.csv", b"good")

    def reject_bad_input(content: bytes) -> None:
        if content == b"bad":
            raise Unparsable("not a table")

    cloud.pool.before = reject_bad_input
    await cloud.run_worker()
    assert output("good.csv") in cloud.storage.versions
    assert report("bad.csv") in cloud.storage.versions
    assert [dead_body for dead_body, _ in cloud.queue.dead_letters] == [body("bad.csv")]
    assert not cloud.queue.messages
    assert now() < 70


async def test_an_upload_error_is_logged(logs: LogCapture) -> None:
    cloud = Cloud()
    cloud.storage.add(S3Uri(INPUT, "a.csv"), b"abc")
    cloud.queue.send(body("a.csv"))
    cloud.storage.before = raising(TransientError("S3 answers 503"), on="put")
    await cloud.run_worker()
    assert any(entry.get("error") == "S3 answers 503" for entry in logs.entries)
