"""Events of files: sent before the delete, repeated with the same id, and never worth a file."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from structlog.testing import LogCapture

from tests.support.fakes.bus import FakeBus
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.settlement import SettlementSetup
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import INPUT, OUTPUT, Cloud, body, output
from tests.support.template import ROOT
from worker.clock import now
from worker.errors import InfrastructureError, SchemaMismatch
from worker.events.bus import Event
from worker.events.sender import EventSender
from worker.job import Done, Job, Reject, S3Uri, Status
from worker.jobs.announcing import file_events
from worker.jobs.announcing.announcer import PATIENCE_SECONDS
from worker.storage.protocol import Head

MODEL = "0" * 64
SCHEMAS = {
    name: Draft202012Validator(
        json.loads((ROOT / "docs" / "schemas" / f"event-{name}.json").read_text("utf-8"))
    )
    for name in ("file-predicted", "file-failed")
}


def cloud(**queue: Any) -> tuple[Cloud, FakeBus]:  # noqa: ANN401 - FakeQueue's
    bus = FakeBus()
    return Cloud(queue=FakeQueue(**queue), bus=bus), bus


def outage(_: Sequence[Event]) -> None:
    raise InfrastructureError("503")


def events_of(logs: LogCapture, name: str) -> list[dict[str, Any]]:
    return [dict(line) for line in logs.entries if line["event"] == name]


async def test_a_predicted_file_has_an_event_by_the_schema() -> None:
    tide, bus = cloud()
    tide.submit("dir/ä.csv", run="run-1")
    await tide.run_worker(idle_seconds=0, stack="tide")
    (detail,) = bus.details
    SCHEMAS["file-predicted"].validate(detail)
    assert bus.taken[0].detail_type == "File Predicted"
    assert detail["output"] == {"bucket": OUTPUT, "key": "p/dir/ä.csv"}
    assert (detail["input"]["bucket"], detail["input"]["key"]) == (INPUT, "dir/ä.csv")
    assert (detail["stack"], detail["run"], detail["model_sha256"]) == ("tide", "run-1", MODEL)
    assert detail["input"]["etag"]
    assert isinstance(detail["rows"], int)


async def test_without_a_stacks_name_an_event_has_the_queues() -> None:
    tide, bus = cloud()
    tide.submit("a.csv")
    await tide.run_worker(idle_seconds=0)
    assert [detail["stack"] for detail in bus.details] == ["q"]


async def test_a_file_that_failed_has_an_event_by_the_schema_with_the_groups_name() -> None:
    tide, bus = cloud()
    tide.submit("absent.csv")
    tide.storage.remove(S3Uri(INPUT, "absent.csv"))
    await tide.run_worker(idle_seconds=0)
    (detail,) = bus.details
    SCHEMAS["file-failed"].validate(detail)
    assert bus.taken[0].detail_type == "File Failed"
    assert (detail["error_type"], detail["permanent"]) == ("NoSuchInput", True)
    assert detail["group"].startswith("NoSuchInput-")
    assert detail["report"] == {"bucket": OUTPUT, "key": "p/_failed/absent.csv.json"}
    report = json.loads(tide.storage.body(S3Uri(OUTPUT, detail["report"]["key"])))
    assert detail["message"] == report["message"]


async def test_the_first_failure_of_a_group_in_a_worker_says_so() -> None:
    tide, bus = cloud()
    for key in ("a.csv", "b.csv", "c.csv"):
        tide.submit(key)
        tide.storage.remove(S3Uri(INPUT, key))
    await tide.run_worker(idle_seconds=0, concurrency=1)
    assert [detail["first_in_worker"] for detail in bus.details] == [True, False, False]
    assert len({detail["group"] for detail in bus.details}) == 1
    assert len({detail["id"] for detail in bus.details}) == 3


async def test_a_file_whose_message_comes_again_after_the_event_has_the_same_id_again() -> None:
    """As after a crash between event and delete: the next worker knows nothing of the first."""
    tide, bus = cloud()
    tide.submit("a.csv")
    sent = next(iter(tide.queue.messages.values())).body
    await tide.run_worker(idle_seconds=0)
    tide.queue.send(sent)
    await tide.run_worker(idle_seconds=0)
    first, again = bus.details
    assert len(tide.storage.versions[S3Uri(OUTPUT, "p/a.csv")]) == 1
    assert first["id"] == again["id"]
    for field in ("rows", "rejected", "model_sha256", "output", "input"):
        assert first[field] == again[field]


async def test_another_version_and_another_model_have_another_id() -> None:
    tide, bus = cloud()
    tide.submit("a.csv", b"one")
    await tide.run_worker(idle_seconds=0)
    tide.submit("a.csv", b"two")
    await tide.run_worker(idle_seconds=0)
    assert len({detail["id"] for detail in bus.details}) == len(bus.details) == 2


async def test_a_message_is_not_deleted_before_its_event_is_sent() -> None:
    tide, bus = cloud()
    order: list[str] = []
    bus.before = lambda _: order.append("event")
    tide.queue.before = lambda name, _: order.append(name) if name == "delete" else None
    tide.submit("a.csv")
    await tide.run_worker(idle_seconds=0)
    assert order == ["event", "delete"]


async def test_an_event_comes_before_the_dead_letter_and_after_the_report() -> None:
    tide, bus = cloud()
    tide.submit("a.csv")
    tide.storage.remove(S3Uri(INPUT, "a.csv"))
    seen: list[bool] = []

    def look(_: Sequence[Event]) -> None:
        seen.append(S3Uri(OUTPUT, "p/_failed/a.csv.json") in tide.storage.versions)
        assert tide.queue.dead_letters == []

    bus.before = look
    await tide.run_worker(idle_seconds=0)
    assert seen == [True]
    assert len(tide.queue.dead_letters) == 1


async def test_in_an_outage_of_some_hours_every_file_is_predicted_and_none_is_dead_lettered(
    logs: LogCapture,
) -> None:
    tide, bus = cloud(max_receive_count=3)
    bus.before = outage
    for number in range(5):
        tide.submit(f"{number}.csv")
    while tide.queue.messages:
        await tide.run_worker(idle_seconds=2000)
    assert bus.taken == []
    assert tide.queue.dead_letters == []
    assert len(tide.outputs()) == 5
    lost = events_of(logs, "event not sent")
    assert {json.loads(line["detail"])["input"]["key"] for line in lost} == {
        f"{number}.csv" for number in range(5)
    }
    for line in lost:
        SCHEMAS["file-predicted"].validate(json.loads(line["detail"]))
    assert len(events_of(logs, "event not sent, retrying")) == 2 * 5


async def test_a_failure_in_an_outage_leaves_one_dead_letter(logs: LogCapture) -> None:
    tide, bus = cloud(max_receive_count=3)
    bus.before = outage
    tide.submit("a.csv")
    tide.storage.remove(S3Uri(INPUT, "a.csv"))
    while tide.queue.messages:
        await tide.run_worker(idle_seconds=2000)
    assert len(tide.queue.dead_letters) == 1
    (line,) = events_of(logs, "event not sent")
    SCHEMAS["file-failed"].validate(json.loads(line["detail"]))


async def test_after_an_outage_each_event_is_sent_by_the_next_receive() -> None:
    tide, bus = cloud(max_receive_count=10)

    def fail_for_a_while(_: Sequence[Event]) -> None:
        if now() < 600:
            raise InfrastructureError("503")

    bus.before = fail_for_a_while
    for number in range(5):
        tide.submit(f"{number}.csv")
    while tide.queue.messages:
        await tide.run_worker(idle_seconds=2000)
    assert len({detail["id"] for detail in bus.details}) == 5
    assert tide.queue.dead_letters == []


async def test_without_a_bus_nothing_more_is_read_of_an_output_that_is_there() -> None:
    heads = []
    for one in (Cloud(), cloud()[0]):
        one.submit("a.csv")
        one.queue.send(next(iter(one.queue.messages.values())).body)
        await one.run_worker(idle_seconds=0, concurrency=1)
        heads.append([name for name, _ in one.storage.calls].count("head"))
    assert heads[1] == heads[0] + 1


def test_a_message_of_any_length_fits_into_a_batch_with_nine_others() -> None:
    job = Job(bucket="b", key="\x01" * 1024, output_bucket="o", output_key="p")
    rejection = Reject(SchemaMismatch("\U0001f30a" * 100_000), job)
    event = file_events.failed(
        job,
        rejection,
        S3Uri("o", "\x01" * 1024),
        model_sha256=MODEL,
        stack="s",
        first_in_worker=True,
    )
    SCHEMAS["file-failed"].validate(json.loads(event.detail))
    assert len(event.detail) < 50_000


class SilentStorage(FakeStorage):
    """A storage that never answers what is there."""

    async def head(self, _: S3Uri) -> Head | None:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("status", ["predicted", "already done"])
async def test_on_the_last_receive_an_outage_makes_no_dead_letter_of_a_predicted_file(
    status: Status, stops: bool
) -> None:
    """A release would: SQS moves the message at the next receive."""
    queue, bus = FakeQueue(30, max_receive_count=1), FakeBus()
    bus.before = outage
    sender = EventSender(bus)
    setup = SettlementSetup(queue, SilentStorage(), events=sender)
    queue.send(body("a.csv"))
    async with setup.leases.kept_alive(), setup.deletes.flushed(), sender.sending():
        (message,) = await queue.receive(1, 1)
        setup.leases.claim(message)
        done = Done(status, output("a.csv"), etag="e")
        settling = asyncio.create_task(setup.settlement.settle(message, done))
        await asyncio.sleep(0.1)
        if stops:
            settling.cancel()
        with pytest.raises(asyncio.CancelledError) if stops else nullcontext():
            await settling
    assert queue.messages == {}
    assert queue.dead_letters == []
    assert now() < 2


async def test_before_the_last_receive_an_output_that_cannot_be_looked_at_is_announced_later(
    logs: LogCapture,
) -> None:
    sender = EventSender(FakeBus())
    setup = SettlementSetup(FakeQueue(30, max_receive_count=2), SilentStorage(), events=sender)
    setup.queue.send(body("a.csv"))
    async with setup.leases.kept_alive(), setup.deletes.flushed(), sender.sending():
        (message,) = await setup.queue.receive(1, 1)
        setup.leases.claim(message)
        await setup.settlement.settle(message, Done("already done", output("a.csv"), etag="e"))
    assert len(setup.queue.messages) == 1
    (line,) = events_of(logs, "event not sent, retrying")
    assert line["error"] == f"{output('a.csv')} could not be looked at in time"
    assert PATIENCE_SECONDS < now() < PATIENCE_SECONDS + 2
