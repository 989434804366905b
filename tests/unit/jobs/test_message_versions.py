"""A message of a version that the worker does not know is given back, and never guessed."""

import asyncio
import json

from structlog.testing import LogCapture

from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.worker import INPUT, Cloud, body
from worker.clock import now
from worker.job import MESSAGE_VERSION, S3Uri

LATER = MESSAGE_VERSION + 1


async def test_a_message_of_a_later_version_waits_while_an_idle_worker_ends(
    logs: LogCapture,
) -> None:
    cloud = Cloud()
    cloud.submit("a.csv", message_version=LATER)
    await cloud.run_worker(idle_seconds=60)
    assert cloud.outputs() == {}
    assert not cloud.queue.dead_letters
    (message,) = cloud.queue.messages.values()
    assert message.visible_at > now() + 600
    (line,) = [line for line in logs.entries if line["event"] == "job failed, retrying"]
    assert line["error_type"] == "UnknownMessageVersion"
    assert 720 <= line["retry_in_seconds"] <= 900


async def test_on_its_last_receive_it_is_dead_lettered_unchanged_with_the_reason() -> None:
    cloud = Cloud(FakeQueue(max_receive_count=2))
    cloud.submit("a.csv", message_version=LATER)
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(1000)
    ((dead_body, attributes),) = cloud.queue.dead_letters
    assert dead_body == body("a.csv", message_version=LATER)
    assert attributes["error_type"] == "GaveUp"
    assert f"message_version {LATER}" in attributes["error_message"]
    assert cloud.outputs() == {}


async def test_a_worker_that_stops_on_its_last_receive_dead_letters_it_too() -> None:
    cloud = Cloud(FakeQueue(max_receive_count=1))
    cloud.storage.add(S3Uri(INPUT, "slow.csv"), b"1000")
    cloud.queue.send(body("slow.csv"))
    cloud.submit("a.csv", message_version=LATER)
    async with cloud.running_worker(concurrency=1, drain_seconds=30) as stop:
        await asyncio.sleep(1)
        stop.request("end of test")
    reasons = {json.loads(text)["key"]: found for text, found in cloud.queue.dead_letters}
    assert reasons["a.csv"]["error_type"] == "GaveUp"
    assert "the worker had to stop" in reasons["a.csv"]["error_message"]


async def test_the_version_that_the_worker_knows_is_predicted_if_it_is_named() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", message_version=MESSAGE_VERSION)
    await cloud.run_worker()
    assert cloud.outputs().keys() == {"p/a.csv"}
