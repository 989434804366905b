"""What is done with one message, whatever its outcome, and whoever wants to end meanwhile."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.queue import FakeQueue, now
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud, body, output, report
from worker.errors import FatalError, TransientError, Unparsable, UnreadableBody
from worker.job import Done, Job, Message, Outcome, Reject, Release, Retry
from worker.jobs.dead_letters import DeadLetters
from worker.jobs.failure_reports import FailureReports
from worker.jobs.settlement import HURRY_SECONDS, MAX_RECORD_SECONDS, Settlement
from worker.lifecycle.stop import Stop
from worker.metrics import Metrics
from worker.queue.deletes import Deletes
from worker.queue.leases import Leases
from worker.queue.sqs import EntryResult

POLICY = 2
JOB = Job.parse(body("a.csv"))
DONE = Done("predicted", output("a.csv"), rows=1, rejected=0)
RETRY = Retry(TransientError("throttled"), JOB)
REJECT = Reject(Unparsable("line 3: nonsense"), JOB)
VISIBILITY_SECONDS = 30


class Hanging(FakeStorage):
    """A storage that answers no write."""

    async def put(self, *_: object, **__: object) -> None:
        await asyncio.Event().wait()


class Desk:
    """Everything that settles messages, without a worker around it."""

    def __init__(
        self,
        queue: FakeQueue | None = None,
        storage: FakeStorage | None = None,
        policy: int | None = POLICY,
    ) -> None:
        self.queue = queue or FakeQueue(VISIBILITY_SECONDS, max_receive_count=policy)
        self.storage = storage or FakeStorage()
        self.leases = Leases(
            self.queue, visibility_seconds=VISIBILITY_SECONDS, heartbeat_seconds=10
        )
        self.deletes = Deletes(self.queue)
        reports = FailureReports(
            self.storage,
            template="{output_key}/_failed/{key}.json",
            model="m",
            model_sha256="0" * 64,
        )
        self.settlement = Settlement(
            self.queue,
            leases=self.leases,
            deletes=self.deletes,
            dead_letters=DeadLetters(
                self.queue, queue_name="q", leases=self.leases, reports=reports
            ),
            metrics=Metrics("q", None),
            retry_seconds=30,
        )

    async def received(self, *contents: str, times: int = 1) -> list[Message]:
        """Receive messages for the so manieth time, and hold them."""
        for content in contents or [body("a.csv")]:
            self.queue.send(content)
        messages = await self.queue.receive(10, 1)
        for _ in range(times - 1):
            await self.queue.change_visibility([(found.receipt_handle, 0) for found in messages])
            messages = await self.queue.receive(10, 1)
        for message in messages:
            assert self.leases.claim(message)
        return messages

    async def settled(self, outcome: Outcome, times: int = 1) -> None:
        """Settle one message, with heartbeats, and wait for its delete, if there is one."""
        async with self.leases.kept_alive(), self.deletes.flushed():
            (message,) = await self.received(times=times)
            await self.settlement.settle(message, outcome)

    def waits(self) -> list[float]:
        """In how many seconds messages were made visible again, but for heartbeats."""
        return [
            seconds
            for changes in self.queue.named("change_visibility")
            if isinstance(changes, list)
            for _, seconds in changes
            if seconds != VISIBILITY_SECONDS
        ]


async def cut_off(settlement: Coroutine[Any, Any, None], after: float) -> None:
    """Cancel a settlement that has lasted for so long."""
    task = asyncio.create_task(settlement)
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_job_that_is_done_is_deleted() -> None:
    desk = Desk()
    await desk.settled(DONE)
    assert not desk.queue.messages


async def test_a_job_whose_lease_ran_out_before_it_was_settled_is_not_deleted(
    logs: LogCapture,
) -> None:
    desk = Desk()
    async with desk.deletes.flushed():
        (message,) = await desk.received()
        await asyncio.sleep(VISIBILITY_SECONDS + 1)
        await desk.settlement.settle(message, DONE)
    assert desk.queue.named("delete") == []
    assert [line["event"] for line in logs.entries] == ["lease lost", "message not settled"]


async def test_a_retry_comes_back_after_a_backoff_and_keeps_its_reason_for_the_log(
    logs: LogCapture,
) -> None:
    desk = Desk()
    await desk.settled(RETRY)
    (wait,) = desk.waits()
    assert 0 <= wait <= 30
    (line,) = [line for line in logs.entries if line["event"] == "job failed, retrying"]
    assert (line["error_type"], line["error"]) == ("TransientError", "throttled")
    assert line["retry_in_seconds"] == wait


async def test_a_retry_on_the_last_receive_is_dead_lettered_with_its_reason_and_a_report() -> None:
    desk = Desk()
    await desk.settled(RETRY, times=POLICY)
    ((dead, reasons),) = desk.queue.dead
    assert dead == body("a.csv")
    assert reasons["error_type"] == "GaveUp"
    assert reasons["error_message"] == "gave up after 2 receives: throttled"
    told = json.loads(desk.storage.body(report("a.csv")))
    assert (told["message"], told["permanent"]) == (reasons["error_message"], False)
    assert "TransientError: throttled" in " ".join(told["traceback"])
    assert not desk.queue.messages


async def test_a_release_on_the_last_receive_is_dead_lettered_with_its_reason_and_a_report() -> (
    None
):
    desk = Desk()
    await desk.settled(Release(), times=POLICY)
    ((dead, reasons),) = desk.queue.dead
    assert dead == body("a.csv")
    assert reasons["error_message"] == "gave up after 2 receives: the worker had to stop"
    told = json.loads(desk.storage.body(report("a.csv")))
    assert told["message"] == reasons["error_message"]
    assert not desk.queue.messages


async def test_an_unreadable_body_released_on_its_last_receive_is_dead_lettered_all_the_same() -> (
    None
):
    desk = Desk()
    async with desk.deletes.flushed():
        (message,) = await desk.received("nonsense", times=POLICY)
        await desk.settlement.settle(message, Release())
    ((dead, _),) = desk.queue.dead
    assert dead == "nonsense"
    assert desk.storage.versions == {}


async def test_before_the_last_receive_a_release_is_visible_at_once() -> None:
    desk = Desk()
    await desk.settled(Release(), times=POLICY - 1)
    assert desk.waits() == [0]
    assert desk.queue.dead == []


async def test_without_a_policy_no_receive_is_too_many() -> None:
    desk = Desk(policy=None)
    await desk.settled(RETRY, times=7)
    assert len(desk.queue.messages) == 1


async def test_of_messages_never_started_only_those_on_their_last_receive_are_dead_lettered() -> (
    None
):
    desk = Desk()
    async with desk.deletes.flushed():
        last = await desk.received(body("last.csv"), times=POLICY)
        others = await desk.received(body("a.csv"), body("b.csv"))
        await desk.settlement.release([*last, *others])
    assert [dead for dead, _ in desk.queue.dead] == [body("last.csv")]
    assert len(desk.queue.visible()) == len(desk.queue.messages) == 2


async def test_messages_never_started_are_given_back_in_batches() -> None:
    desk = Desk()
    messages = await desk.received(*(body(f"{number}.csv") for number in range(10)))
    await desk.settlement.release(messages)
    assert len(desk.queue.named("change_visibility")) == 1
    assert len(desk.queue.visible()) == 10


async def test_a_message_that_was_lost_keeps_no_other_from_being_given_back() -> None:
    desk = Desk()
    (lost,) = await desk.received(body("lost.csv"))
    await asyncio.sleep(20)
    (ours,) = await desk.received(body("ours.csv"))
    await asyncio.sleep(11)
    await desk.settlement.release([lost, ours])
    assert desk.queue.named("change_visibility") == [[(ours.receipt_handle, 0)]]


async def test_a_rejection_whose_report_hangs_is_tried_again_after_a_backoff(
    logs: LogCapture,
) -> None:
    desk = Desk(storage=Hanging())
    await desk.settled(REJECT)
    assert MAX_RECORD_SECONDS < now() < MAX_RECORD_SECONDS + 1
    (wait,) = desk.waits()
    assert 0 <= wait <= 30
    assert desk.queue.dead == []
    (line,) = [line for line in logs.entries if line["event"] == "dead letter failed, retrying"]
    assert (line["error"], line["failure"]) == ("line 3: nonsense", "TimeoutError")


async def test_a_rejection_that_fails_for_now_is_tried_again_after_a_backoff() -> None:
    desk = Desk()

    def throttled(name: str, _: object) -> None:
        if name == "dead_letter":
            raise TransientError("throttled")

    desk.queue.before = throttled
    await desk.settled(REJECT)
    (wait,) = desk.waits()
    assert 0 <= wait <= 30
    assert len(desk.queue.messages) == 1


async def test_a_rejection_that_a_deadline_cuts_off_is_given_back(logs: LogCapture) -> None:
    desk = Desk(storage=Hanging())
    async with desk.leases.kept_alive(), desk.deletes.flushed():
        (message,) = await desk.received()
        await cut_off(desk.settlement.settle(message, REJECT), after=5)
    assert now() < 5 + HURRY_SECONDS + 1
    assert len(desk.queue.visible()) == 1
    assert "settlement cut short" in [line["event"] for line in logs.entries]


async def test_a_stop_on_the_last_receive_does_not_wait_for_a_report_that_hangs() -> None:
    desk = Desk(storage=Hanging())
    await desk.settled(Release(), times=POLICY)
    assert now() < HURRY_SECONDS + 1
    assert desk.waits()[-1] == 0


async def test_a_stop_on_the_last_receive_does_not_wait_for_a_heartbeat_that_hangs(
    logs: LogCapture,
) -> None:
    desk = Desk()
    beating = asyncio.Event()

    async def hanging(name: str, _: object) -> None:
        if name == "change_visibility":
            beating.set()
            await asyncio.sleep(1000)

    async with desk.leases.kept_alive(), desk.deletes.flushed():
        (message,) = await desk.received(times=POLICY)
        desk.queue.before = hanging
        await beating.wait()
        started = now()
        await desk.settlement.settle(message, Release())
        assert now() - started < HURRY_SECONDS + 0.1
    (line,) = [line for line in logs.entries if line["event"] == "message not settled"]
    assert line["message_id"] == message.id


async def test_a_rejection_that_is_kept_nowhere_stays_in_the_queue() -> None:
    desk = Desk(policy=None)
    (message,) = await desk.received("nonsense")
    await desk.settlement.settle(message, Reject(UnreadableBody("the message is not a job")))
    assert desk.waits() == [900]


async def test_a_rejection_that_is_denied_is_given_back_and_ends_the_worker() -> None:
    desk = Desk()

    def denied(name: str, _: object) -> None:
        if name == "dead_letter":
            raise FatalError("credentials refused")

    desk.queue.before = denied
    (message,) = await desk.received()
    with pytest.raises(FatalError):
        await desk.settlement.settle(message, REJECT)
    assert len(desk.queue.visible()) == 1


async def test_a_settlement_under_way_outlasts_a_cancellation() -> None:
    desk = Desk()
    desk.queue.before = lambda *_: asyncio.sleep(1)
    (message,) = await desk.received()
    await cut_off(desk.settlement.settle(message, Release()), after=0.5)
    assert len(desk.queue.visible()) == 1


async def test_a_settlement_that_hangs_does_not_outlast_a_cancellation_for_long(
    logs: LogCapture,
) -> None:
    desk = Desk()
    (message,) = await desk.received()
    desk.queue.before = lambda *_: asyncio.sleep(1000)
    started = now()
    await cut_off(desk.settlement.settle(message, RETRY), after=1)
    assert now() - started <= 1 + HURRY_SECONDS + 0.1
    left = [line for line in logs.entries if "left to their" in line["event"]]
    assert [line["message_ids"] for line in left] == [[message.id]]


@pytest.mark.parametrize("hangs", [False, True])
async def test_no_backoff_is_set_once_the_lease_has_ended(hangs: bool, logs: LogCapture) -> None:
    desk = Desk()
    (message,) = await desk.received()
    deadline = now() + VISIBILITY_SECONDS
    asked = []

    def failing(*_: object) -> Coroutine[Any, Any, None]:
        asked.append(now())
        if hangs:
            return asyncio.sleep(1000)
        raise TransientError("no network")

    desk.queue.before = failing
    await asyncio.sleep(deadline - now() - 0.2)
    await desk.settlement.settle(message, RETRY)
    assert asked
    assert max(asked) < deadline
    assert now() == pytest.approx(deadline, abs=0.01)
    (line,) = [line for line in logs.entries if "left to their" in line["event"]]
    assert line["message_ids"] == [message.id]


async def test_a_message_is_settled_by_its_newest_handle() -> None:
    desk = Desk()
    (older,) = await desk.received()
    desk.queue.messages[older.id].visible_at = now()
    (newer,) = await desk.queue.receive(10, 1)
    assert not desk.leases.claim(newer)
    await desk.settlement.settle(older, Release())
    assert desk.queue.named("change_visibility") == [[(newer.receipt_handle, 0)]]


async def test_a_settlement_waits_for_the_heartbeat_under_way() -> None:
    class Slow(FakeQueue):
        ended: list[int]

        async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
            await asyncio.sleep(3)
            results = await super().change_visibility(changes)
            self.ended += [seconds for _, seconds in changes]
            return results

    queue = Slow(VISIBILITY_SECONDS, max_receive_count=POLICY)
    queue.ended = []
    desk = Desk(queue)
    async with desk.leases.kept_alive():
        (message,) = await desk.received()
        await asyncio.sleep(11)
        await desk.settlement.settle(message, Reject(Unparsable("nonsense"), JOB))
        assert queue.ended == [VISIBILITY_SECONDS]


async def test_every_message_that_is_left_at_the_end_is_named(logs: LogCapture) -> None:
    cloud = Cloud(queue=FakeQueue(visibility_seconds=300))
    names = {cloud.submit(f"{number}.csv", b"1000") for number in range(8)}
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        group.create_task(cloud.work(stop, concurrency=4, idle_seconds=-1, drain_seconds=25))
        await asyncio.sleep(70)
        cloud.queue.before = lambda name, _: asyncio.sleep(1000) if "change" in name else None
        await asyncio.sleep(31)
        stop.request("SIGTERM")
    warned = [line for line in logs.entries if line["log_level"] == "warning"]
    assert {name for line in warned for name in line.get("message_ids", [])} == names


async def test_a_second_cancellation_does_not_cut_a_settlement_short() -> None:
    desk = Desk()
    desk.queue.before = lambda *_: asyncio.sleep(1)
    (message,) = await desk.received()
    task = asyncio.create_task(desk.settlement.settle(message, Release()))
    for _ in range(2):
        await asyncio.sleep(0.2)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(desk.queue.visible()) == 1


@pytest.mark.parametrize("hangs", [False, True])
async def test_nothing_is_given_back_once_its_lease_has_ended(
    hangs: bool, logs: LogCapture
) -> None:
    desk = Desk()
    (message,) = await desk.received()
    deadline = now() + VISIBILITY_SECONDS
    asked = []

    def failing(*_: object) -> Coroutine[Any, Any, None]:
        asked.append(now())
        if hangs:
            return asyncio.sleep(1000)
        raise TransientError("no network")

    desk.queue.before = failing
    await asyncio.sleep(deadline - now() - 0.2)
    await desk.settlement.release([message])
    assert asked
    assert max(asked) < deadline
    assert now() == pytest.approx(deadline, abs=0.01)
    (line,) = [line for line in logs.entries if "left to their" in line["event"]]
    assert line["message_ids"] == [message.id]
