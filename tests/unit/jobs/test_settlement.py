"""Settlement of one message: by each outcome, on failures, and during a cancellation."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.settlement import VISIBILITY_SECONDS, SettlementSetup
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud, body, output, report
from worker.clock import now
from worker.errors import FatalError, TransientError, Unparsable, UnreadableBody
from worker.job import Done, Job, Message, Outcome, Reject, Release, Retry
from worker.jobs.settlement import HURRY_SECONDS, MAX_RECORD_SECONDS
from worker.lifecycle.stop import Stop
from worker.queue.sqs import EntryResult

MAX_RECEIVE_COUNT = 2
JOB = Job.parse(body("a.csv"))
DONE = Done("predicted", output("a.csv"), rows=1, rejected=0)
RETRY = Retry(TransientError("throttled"), JOB)
REJECT = Reject(Unparsable("line 3: nonsense"), JOB)


class HangingStorage(FakeStorage):
    """A storage whose writes never end."""

    async def put(self, *_: object, **__: object) -> None:
        await asyncio.Event().wait()


class Setup(SettlementSetup):
    """A settlement and what it needs, with messages received from the queue."""

    def __init__(
        self,
        queue: FakeQueue | None = None,
        storage: FakeStorage | None = None,
        max_receive_count: int | None = MAX_RECEIVE_COUNT,
    ) -> None:
        super().__init__(
            queue or FakeQueue(VISIBILITY_SECONDS, max_receive_count=max_receive_count), storage
        )

    async def receive(self, *contents: str, times: int = 1) -> list[Message]:
        """Send messages, receive them that many times, and claim them."""
        for content in contents or [body("a.csv")]:
            self.queue.send(content)
        messages = await self.queue.receive(10, 1)
        for _ in range(times - 1):
            await self.queue.change_visibility([(found.receipt_handle, 0) for found in messages])
            messages = await self.queue.receive(10, 1)
        for message in messages:
            assert self.leases.claim(message)
        return messages

    async def settle_one(self, outcome: Outcome, times: int = 1) -> None:
        """Receive and settle one message beside heartbeats; returns after its delete, if any."""
        async with self.leases.kept_alive(), self.deletes.flushed():
            (message,) = await self.receive(times=times)
            await self.settlement.settle(message, outcome)

    def delays(self) -> list[float]:
        """Return after how many seconds messages were made visible again; no heartbeats."""
        return [
            seconds
            for changes in self.queue.calls_to("change_visibility")
            if isinstance(changes, list)
            for _, seconds in changes
            if seconds != VISIBILITY_SECONDS
        ]


async def cancel(settlement: Coroutine[Any, Any, None], after: float) -> None:
    """Start a settlement and cancel it after that many seconds."""
    task = asyncio.create_task(settlement)
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_message_of_a_done_job_is_deleted() -> None:
    setup = Setup()
    await setup.settle_one(DONE)
    assert not setup.queue.messages


async def test_a_done_job_whose_lease_ran_out_is_not_deleted(
    logs: LogCapture,
) -> None:
    setup = Setup()
    async with setup.deletes.flushed():
        (message,) = await setup.receive()
        await asyncio.sleep(VISIBILITY_SECONDS + 1)
        await setup.settlement.settle(message, DONE)
    assert setup.queue.calls_to("delete") == []
    assert [line["event"] for line in logs.entries] == ["lease lost", "message not settled"]


async def test_a_retry_is_visible_again_after_a_backoff_and_its_error_is_logged(
    logs: LogCapture,
) -> None:
    setup = Setup()
    await setup.settle_one(RETRY)
    (delay,) = setup.delays()
    assert 0 <= delay <= 30
    (line,) = [line for line in logs.entries if line["event"] == "job failed, retrying"]
    assert (line["error_type"], line["error"]) == ("TransientError", "throttled")
    assert line["retry_in_seconds"] == delay


async def test_a_retry_on_the_last_receive_is_dead_lettered_with_its_error_and_a_report() -> None:
    setup = Setup()
    await setup.settle_one(RETRY, times=MAX_RECEIVE_COUNT)
    ((dead_body, attributes),) = setup.queue.dead_letters
    assert dead_body == body("a.csv")
    assert attributes["error_type"] == "GaveUp"
    assert attributes["error_message"] == "gave up after 2 receives: throttled"
    written = json.loads(setup.storage.body(report("a.csv")))
    assert (written["message"], written["permanent"]) == (attributes["error_message"], False)
    assert "TransientError: throttled" in " ".join(written["traceback"])
    assert not setup.queue.messages


async def test_a_release_on_the_last_receive_is_dead_lettered_with_its_reason_and_a_report() -> (
    None
):
    setup = Setup()
    await setup.settle_one(Release(), times=MAX_RECEIVE_COUNT)
    ((dead_body, attributes),) = setup.queue.dead_letters
    assert dead_body == body("a.csv")
    assert attributes["error_message"] == "gave up after 2 receives: the worker had to stop"
    written = json.loads(setup.storage.body(report("a.csv")))
    assert written["message"] == attributes["error_message"]
    assert not setup.queue.messages


async def test_an_unreadable_body_released_on_its_last_receive_is_dead_lettered_too() -> None:
    setup = Setup()
    async with setup.deletes.flushed():
        (message,) = await setup.receive("nonsense", times=MAX_RECEIVE_COUNT)
        await setup.settlement.settle(message, Release())
    ((dead_body, _),) = setup.queue.dead_letters
    assert dead_body == "nonsense"
    assert setup.storage.versions == {}


async def test_before_the_last_receive_a_release_is_visible_at_once() -> None:
    setup = Setup()
    await setup.settle_one(Release(), times=MAX_RECEIVE_COUNT - 1)
    assert setup.delays() == [0]
    assert setup.queue.dead_letters == []


async def test_without_a_redrive_policy_every_receive_may_be_retried() -> None:
    setup = Setup(max_receive_count=None)
    await setup.settle_one(RETRY, times=7)
    assert len(setup.queue.messages) == 1


async def test_a_release_of_many_dead_letters_only_messages_on_their_last_receive() -> None:
    setup = Setup()
    async with setup.deletes.flushed():
        last = await setup.receive(body("last.csv"), times=MAX_RECEIVE_COUNT)
        others = await setup.receive(body("a.csv"), body("b.csv"))
        await setup.settlement.release([*last, *others])
    assert [dead_body for dead_body, _ in setup.queue.dead_letters] == [body("last.csv")]
    assert len(setup.queue.visible()) == len(setup.queue.messages) == 2


async def test_messages_never_started_are_released_in_batches() -> None:
    setup = Setup()
    messages = await setup.receive(*(body(f"{number}.csv") for number in range(10)))
    await setup.settlement.release(messages)
    assert len(setup.queue.calls_to("change_visibility")) == 1
    assert len(setup.queue.visible()) == 10


async def test_a_lost_lease_does_not_prevent_the_release_of_other_messages() -> None:
    setup = Setup()
    (lost,) = await setup.receive(body("lost.csv"))
    await asyncio.sleep(20)
    (held,) = await setup.receive(body("held.csv"))
    await asyncio.sleep(11)
    await setup.settlement.release([lost, held])
    assert setup.queue.calls_to("change_visibility") == [[(held.receipt_handle, 0)]]


async def test_a_rejection_whose_report_hangs_is_retried_after_a_backoff(
    logs: LogCapture,
) -> None:
    setup = Setup(storage=HangingStorage())
    await setup.settle_one(REJECT)
    assert MAX_RECORD_SECONDS < now() < MAX_RECORD_SECONDS + 1
    (delay,) = setup.delays()
    assert 0 <= delay <= 30
    assert setup.queue.dead_letters == []
    (line,) = [line for line in logs.entries if line["event"] == "dead letter failed, retrying"]
    assert (line["error"], line["failure"]) == ("line 3: nonsense", "TimeoutError")


async def test_a_rejection_whose_dead_letter_fails_is_retried_after_a_backoff() -> None:
    setup = Setup()
    setup.queue.before = raising(TransientError("throttled"), on="dead_letter")
    await setup.settle_one(REJECT)
    (delay,) = setup.delays()
    assert 0 <= delay <= 30
    assert len(setup.queue.messages) == 1


async def test_a_rejection_cut_short_by_a_cancellation_is_released(logs: LogCapture) -> None:
    setup = Setup(storage=HangingStorage())
    async with setup.leases.kept_alive(), setup.deletes.flushed():
        (message,) = await setup.receive()
        await cancel(setup.settlement.settle(message, REJECT), after=5)
    assert now() < 5 + HURRY_SECONDS + 1
    assert len(setup.queue.visible()) == 1
    assert "settlement cut short" in [line["event"] for line in logs.entries]


async def test_a_stop_on_the_last_receive_does_not_wait_for_a_report_that_hangs() -> None:
    setup = Setup(storage=HangingStorage())
    await setup.settle_one(Release(), times=MAX_RECEIVE_COUNT)
    assert now() < HURRY_SECONDS + 1
    assert setup.delays()[-1] == 0


async def test_a_stop_on_the_last_receive_does_not_wait_for_a_heartbeat_that_hangs(
    logs: LogCapture,
) -> None:
    setup = Setup()
    heartbeat_sent = asyncio.Event()

    async def hanging(name: str, _: object) -> None:
        if name == "change_visibility":
            heartbeat_sent.set()
            await asyncio.sleep(1000)

    async with setup.leases.kept_alive(), setup.deletes.flushed():
        (message,) = await setup.receive(times=MAX_RECEIVE_COUNT)
        setup.queue.before = hanging
        await heartbeat_sent.wait()
        started = now()
        await setup.settlement.settle(message, Release())
        assert now() - started < HURRY_SECONDS + 0.1
    (line,) = [line for line in logs.entries if line["event"] == "message not settled"]
    assert line["message_id"] == message.id


async def test_a_rejection_without_report_and_dead_letter_stays_in_the_queue() -> None:
    setup = Setup(max_receive_count=None)
    (message,) = await setup.receive("nonsense")
    await setup.settlement.settle(message, Reject(UnreadableBody("the message is not a job")))
    assert setup.delays() == [900]


async def test_a_rejection_whose_dead_letter_is_denied_is_released_and_fatal() -> None:
    setup = Setup()
    setup.queue.before = raising(FatalError("credentials refused"), on="dead_letter")
    (message,) = await setup.receive()
    with pytest.raises(FatalError):
        await setup.settlement.settle(message, REJECT)
    assert len(setup.queue.visible()) == 1


async def test_a_cancellation_waits_for_the_settlement_under_way() -> None:
    setup = Setup()
    setup.queue.before = lambda *_: asyncio.sleep(1)
    (message,) = await setup.receive()
    await cancel(setup.settlement.settle(message, Release()), after=0.5)
    assert len(setup.queue.visible()) == 1


async def test_a_cancellation_does_not_wait_long_for_a_settlement_that_hangs(
    logs: LogCapture,
) -> None:
    setup = Setup()
    (message,) = await setup.receive()
    setup.queue.before = lambda *_: asyncio.sleep(1000)
    started = now()
    await cancel(setup.settlement.settle(message, RETRY), after=1)
    assert now() - started <= 1 + HURRY_SECONDS + 0.1
    warnings = [line for line in logs.entries if "left to their" in line["event"]]
    assert [line["message_ids"] for line in warnings] == [[message.id]]


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_retry_makes_no_call_after_its_lease_has_ended(
    hangs: bool, logs: LogCapture
) -> None:
    setup = Setup()
    (message,) = await setup.receive()
    deadline = now() + VISIBILITY_SECONDS
    calls = []

    def failing(*_: object) -> Coroutine[Any, Any, None]:
        calls.append(now())
        if hangs:
            return asyncio.sleep(1000)
        raise TransientError("no network")

    setup.queue.before = failing
    await asyncio.sleep(deadline - now() - 0.2)
    await setup.settlement.settle(message, RETRY)
    assert calls
    assert max(calls) < deadline
    assert now() == pytest.approx(deadline, abs=0.01)
    (line,) = [line for line in logs.entries if "left to their" in line["event"]]
    assert line["message_ids"] == [message.id]


async def test_a_message_is_settled_by_its_newest_receipt_handle() -> None:
    setup = Setup(max_receive_count=3)
    (older,) = await setup.receive()
    setup.queue.messages[older.id].visible_at = now()
    (newer,) = await setup.queue.receive(10, 1)
    assert not setup.leases.claim(newer)
    await setup.settlement.settle(older, Release())
    assert setup.queue.calls_to("change_visibility") == [[(newer.receipt_handle, 0)]]


async def test_a_settlement_waits_for_the_heartbeat_under_way() -> None:
    class SlowQueue(FakeQueue):
        answered: list[int]

        async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
            await asyncio.sleep(3)
            results = await super().change_visibility(changes)
            self.answered += [seconds for _, seconds in changes]
            return results

    queue = SlowQueue(VISIBILITY_SECONDS, max_receive_count=MAX_RECEIVE_COUNT)
    queue.answered = []
    setup = Setup(queue)
    async with setup.leases.kept_alive():
        (message,) = await setup.receive()
        await asyncio.sleep(11)
        await setup.settlement.settle(message, Reject(Unparsable("nonsense"), JOB))
        assert queue.answered == [VISIBILITY_SECONDS]


async def test_every_message_that_was_not_settled_at_the_end_is_logged(logs: LogCapture) -> None:
    cloud = Cloud(queue=FakeQueue(visibility_seconds=300))
    message_ids = {cloud.submit(f"{number}.csv", b"1000") for number in range(8)}
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        group.create_task(cloud.run_worker(stop, concurrency=4, idle_seconds=-1, drain_seconds=25))
        await asyncio.sleep(70)
        cloud.queue.before = lambda name, _: asyncio.sleep(1000) if "change" in name else None
        await asyncio.sleep(31)
        stop.request("SIGTERM")
    warned = [line for line in logs.entries if line["log_level"] == "warning"]
    assert {one for line in warned for one in line.get("message_ids", [])} == message_ids


async def test_a_second_cancellation_does_not_cut_a_settlement_short() -> None:
    setup = Setup()
    setup.queue.before = lambda *_: asyncio.sleep(1)
    (message,) = await setup.receive()
    task = asyncio.create_task(setup.settlement.settle(message, Release()))
    for _ in range(2):
        await asyncio.sleep(0.2)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(setup.queue.visible()) == 1


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_release_makes_no_call_after_its_lease_has_ended(
    hangs: bool, logs: LogCapture
) -> None:
    setup = Setup()
    (message,) = await setup.receive()
    deadline = now() + VISIBILITY_SECONDS
    calls = []

    def failing(*_: object) -> Coroutine[Any, Any, None]:
        calls.append(now())
        if hangs:
            return asyncio.sleep(1000)
        raise TransientError("no network")

    setup.queue.before = failing
    await asyncio.sleep(deadline - now() - 0.2)
    await setup.settlement.release([message])
    assert calls
    assert max(calls) < deadline
    assert now() == pytest.approx(deadline, abs=0.01)
    (line,) = [line for line in logs.entries if "left to their" in line["event"]]
    assert line["message_ids"] == [message.id]


@pytest.mark.parametrize("outcome", [RETRY, Release()], ids=["retry", "release"])
async def test_the_last_receive_of_a_message_in_hand_is_dead_lettered_with_its_reason(
    outcome: Outcome,
) -> None:
    setup = Setup()
    async with setup.leases.kept_alive(), setup.deletes.flushed():
        (message,) = await setup.receive()
        await setup.queue.change_visibility([(message.receipt_handle, 0)])
        (received_again,) = await setup.queue.receive(1, 1)
        assert not setup.leases.claim(received_again)
        if isinstance(outcome, Release):
            await setup.settlement.release([message])
        else:
            await setup.settlement.settle(message, outcome)
    ((_, attributes),) = setup.queue.dead_letters
    assert (attributes["error_type"], attributes["receive_count"]) == ("GaveUp", "2")
    assert not setup.queue.messages
