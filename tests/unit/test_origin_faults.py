"""The faults of the system this one descends from, each under the name of what is right.

Those of its dispatcher are in test_dispatcher_fleet.py (a task started by RunTask is seen) and
test_dispatcher_events.py (every record, keys decoded once), its one role for everything in
test_template_roles.py, its unchecked pickle in test_model_file.py.
"""

import asyncio

from structlog.testing import LogCapture

from tests.support.fakes.queue import now
from tests.support.fakes.worker import INPUT, Cloud, body, output, report
from worker.errors import TransientError, Unparsable
from worker.job import S3Uri


async def test_the_queue_is_drained_and_not_just_asked_once() -> None:
    cloud = Cloud()
    for number in range(35):
        cloud.submit(f"{number}.csv")
    await cloud.work()
    assert not cloud.queue.messages
    assert len(cloud.outputs()) == 35


async def test_a_waiting_worker_long_polls_and_takes_a_message_the_moment_it_comes() -> None:
    cloud = Cloud()
    async with cloud.working(idle_seconds=-1):
        await asyncio.sleep(1000)
        cloud.submit("a.csv")
        await asyncio.sleep(0.5)
        assert cloud.outputs()
    asked = [asked for asked in cloud.queue.named("receive") if isinstance(asked, tuple)]
    assert {wait_seconds for _, wait_seconds in asked} == {20}


async def test_a_failed_upload_deletes_nothing() -> None:
    cloud = Cloud()
    cloud.submit("a.csv")

    def broken(name: str, _: S3Uri) -> None:
        if name == "put":
            raise TransientError("S3 answers 503")

    cloud.storage.before = broken
    await cloud.work()
    assert cloud.queue.named("delete") == []
    assert len(cloud.queue.messages) == 1


async def test_a_message_is_deleted_only_after_its_output_is_durable() -> None:
    cloud = Cloud()
    cloud.submit("a.csv")
    durable: list[bool] = []

    def look(name: str, _: object) -> None:
        if name == "delete":
            durable.append(output("a.csv") in cloud.storage.versions)

    cloud.queue.before = look
    await cloud.work()
    assert durable == [True]


async def test_files_of_the_same_second_have_outputs_of_their_own() -> None:
    cloud = Cloud()
    for number in range(20):
        cloud.submit(f"{number}.csv", b"content %d" % number)
    await cloud.work()
    assert len(set(cloud.outputs().values())) == 20


async def test_a_job_slower_than_the_visibility_timeout_is_not_run_twice() -> None:
    cloud = Cloud()
    cloud.submit("slow.csv", b"300")
    async with cloud.working(idle_seconds=-1), cloud.working(idle_seconds=-1):
        await asyncio.sleep(400)
    assert cloud.pool.scored == [b"300"]


async def test_a_bad_file_is_reported_and_dead_lettered_and_holds_up_nobody() -> None:
    cloud = Cloud()
    cloud.submit("bad.csv", b"bad")
    cloud.submit("good.csv", b"good")

    def judge(content: bytes) -> None:
        if content == b"bad":
            raise Unparsable("not a table")

    cloud.pool.before = judge
    await cloud.work()
    assert output("good.csv") in cloud.storage.versions
    assert report("bad.csv") in cloud.storage.versions
    assert [dead for dead, _ in cloud.queue.dead] == [body("bad.csv")]
    assert not cloud.queue.messages
    assert now() < 70


async def test_an_upload_error_is_said_and_not_swallowed(logs: LogCapture) -> None:
    cloud = Cloud()
    cloud.storage.add(S3Uri(INPUT, "a.csv"), b"abc")
    cloud.queue.send(body("a.csv"))

    def broken(name: str, _: S3Uri) -> None:
        if name == "put":
            raise TransientError("S3 answers 503")

    cloud.storage.before = broken
    await cloud.work()
    assert any(entry.get("error") == "S3 answers 503" for entry in logs.entries)
