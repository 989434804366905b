import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.queue import FakeQueue
from tests.support.simulation.behaviour import SqsBehaviour, StaleHandles
from worker.clock import now
from worker.errors import FatalError, LeaseLost, TransientError
from worker.job import Message
from worker.queue.leases import Lease, Leases, LeaseTimes


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue(visibility_seconds=30)


@pytest.fixture
def leases(queue: FakeQueue) -> Leases:
    return Leases(queue, visibility_seconds=30, heartbeat_seconds=10)


async def receive(queue: FakeQueue, leases: Leases, count: int = 1) -> list[Message]:
    for _ in range(count):
        queue.send("{}")
    messages: list[Message] = []
    while len(messages) < count:
        messages += await queue.receive(10, 1)
    for message in messages:
        assert leases.claim(message)
    return messages


async def test_a_message_stays_invisible_for_as_long_as_it_is_held(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        for _ in range(100):
            await asyncio.sleep(5)
            assert queue.visible() == []
            leases.check(message)


async def test_heartbeats_of_many_messages_are_sent_in_batches(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        await receive(queue, leases, 20)
        await asyncio.sleep(60)
    batches = queue.calls_to("change_visibility")
    assert all(isinstance(batch, Sequence) and len(batch) <= 10 for batch in batches)
    assert len(batches) <= 2 * 60 / (10 * 0.8) + 2


async def test_a_failed_heartbeat_is_sent_again_until_the_deadline(
    queue: FakeQueue, leases: Leases
) -> None:
    def failing(name: str, _: object) -> None:
        if name == "change_visibility" and now() < 25:
            raise TransientError("throttled")

    queue.before = failing
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await asyncio.sleep(60)
        leases.check(message)
    assert queue.visible() == []


async def test_a_failed_entry_of_a_batch_is_sent_again(queue: FakeQueue, leases: Leases) -> None:
    queue.fail_entries = 5
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await asyncio.sleep(60)
        leases.check(message)


async def test_failed_heartbeats_do_not_move_the_deadline(queue: FakeQueue, leases: Leases) -> None:
    queue.before = raising(TransientError("no network"), on="change_visibility")
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await asyncio.sleep(31)
        with pytest.raises(LeaseLost):
            leases.check(message)


async def test_a_refused_heartbeat_loses_the_lease_at_once(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        queue.messages.clear()
        await asyncio.sleep(11)
        with pytest.raises(LeaseLost):
            leases.check(message)


async def test_a_lost_lease_cancels_its_job(queue: FakeQueue, leases: Leases) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        queue.messages.clear()
        with pytest.raises(LeaseLost), leases.cancel_if_lost(message):
            await asyncio.Event().wait()


async def test_a_cancellation_from_outside_is_not_taken_for_a_lost_lease(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)

        async def job() -> None:
            with leases.cancel_if_lost(message):
                await asyncio.Event().wait()

        task = asyncio.create_task(job())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        leases.check(message)


async def test_a_hanging_heartbeat_does_not_delay_other_heartbeats(
    queue: FakeQueue, leases: Leases
) -> None:
    async def hanging(name: str, arguments: object) -> None:
        if name == "change_visibility" and "'handle-1'" in str(arguments):
            await asyncio.sleep(1000)

    queue.before = hanging
    async with leases.kept_alive():
        (first,) = await receive(queue, leases)
        await asyncio.sleep(6)
        (second,) = await receive(queue, leases)
        await asyncio.sleep(60)
        leases.check(second)
        with pytest.raises(LeaseLost):
            leases.check(first)


async def test_ending_a_lease_waits_for_the_heartbeat_under_way(
    queue: FakeQueue, leases: Leases
) -> None:
    sent, answered = asyncio.Event(), asyncio.Event()

    async def slow(name: str, _: object) -> None:
        if name == "change_visibility":
            sent.set()
            await asyncio.sleep(3)
            answered.set()

    queue.before = slow
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await sent.wait()
        assert (await leases.end(message)).handle == message.receipt_handle
        assert answered.is_set()


async def test_a_lease_that_runs_out_while_it_is_ended_is_lost_and_logged(
    queue: FakeQueue, leases: Leases, logs: LogCapture
) -> None:
    sent = asyncio.Event()

    async def failing(name: str, _: object) -> None:
        if name == "change_visibility":
            if now() < 28:
                raise TransientError("throttled")
            sent.set()
            await asyncio.sleep(1000)

    queue.before = failing
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await sent.wait()
        with pytest.raises(LeaseLost):
            await leases.end(message)
    (line,) = [line for line in logs.entries if line["event"] == "lease lost"]
    assert line["message_id"] == message.id


async def test_no_heartbeat_follows_the_end_of_a_lease(queue: FakeQueue, leases: Leases) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await leases.end(message)
        await asyncio.sleep(100)
    assert queue.calls_to("change_visibility") == []


async def test_a_lease_ends_only_once(queue: FakeQueue, leases: Leases) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await leases.end(message)
        with pytest.raises(LeaseLost):
            await leases.end(message)


async def test_a_second_receive_of_a_held_message_replaces_the_handle_and_starts_no_job(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        queue.messages[message.id].visible_at = 0
        (received_again,) = await queue.receive(1, 1)
        assert not leases.claim(received_again)
        await asyncio.sleep(100)
        assert queue.visible() == []
        assert (await leases.end(message)).handle == received_again.receipt_handle


async def test_a_second_receive_of_a_held_message_is_confirmed_by_a_heartbeat_at_once(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await leases.confirm(message)
        queue.messages[message.id].visible_at = 0
        (received_again,) = await queue.receive(1, 1)
        leases.claim(received_again)
        await asyncio.sleep(1)
        leases.check(message)
    assert queue.calls_to("change_visibility") == [[(received_again.receipt_handle, 30)]]


async def test_a_held_message_has_the_receive_count_of_its_newest_receive(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        assert leases.latest(message) is message
        queue.messages[message.id].visible_at = 0
        (received_again,) = await queue.receive(1, 1)
        leases.claim(received_again)
        assert leases.latest(message).receive_count == 2
        assert (await leases.end(leases.latest(message))).handle == received_again.receipt_handle
        assert leases.latest(message) is message


async def test_each_receive_of_a_held_message_stands_for_its_lease(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = deliveries = await receive(queue, leases)
        for _ in range(3):
            queue.messages[message.id].visible_at = 0
            deliveries += await queue.receive(1, 1)
            leases.claim(deliveries[-1])
        for delivery in deliveries:
            leases.check(delivery)
            assert leases.latest(delivery) is deliveries[-1]


async def test_a_message_that_waited_is_confirmed_by_a_heartbeat(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await asyncio.sleep(2)
        await leases.confirm(message)
    assert len(queue.calls_to("change_visibility")) == 1


async def test_a_message_that_starts_at_once_needs_no_confirmation(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await leases.confirm(message)
    assert queue.calls_to("change_visibility") == []


@pytest.mark.parametrize("stale", ["refused", "ignored", "honoured"])
async def test_a_suspension_beyond_the_visibility_timeout_loses_the_lease(
    stale: StaleHandles,
) -> None:
    queue = FakeQueue(behaviour=SqsBehaviour(stale_handles=stale))
    leases = Leases(queue, visibility_seconds=30, heartbeat_seconds=10)
    (message,) = await receive(queue, leases)
    await asyncio.sleep(31)  # no heartbeat was sent, as in a suspended process
    async with leases.kept_alive():
        with pytest.raises(LeaseLost):
            await leases.confirm(message)
    assert queue.calls_to("change_visibility") == []


async def test_no_message_is_held_longer_than_twelve_hours() -> None:
    queue = FakeQueue(visibility_seconds=3600)
    leases = Leases(queue, visibility_seconds=3600, heartbeat_seconds=1200)
    async with leases.kept_alive():
        await receive(queue, leases)
        await asyncio.sleep(43_200 - 5)
    ends = [
        time + seconds
        for time, name, changes in queue.calls
        if name == "change_visibility" and isinstance(changes, list)
        for _, seconds in changes
    ]
    assert max(ends) <= 43_200


async def test_a_fatal_error_of_a_heartbeat_ends_the_block(
    queue: FakeQueue, leases: Leases
) -> None:
    with pytest.raises(ExceptionGroup) as error:  # noqa: PT012
        async with leases.kept_alive():
            await receive(queue, leases)
            queue.before = raising(FatalError("the queue does not exist"), on="change_visibility")
            await asyncio.Event().wait()
    assert error.group_contains(FatalError)


async def test_message_ids_lists_the_messages_whose_leases_have_not_ended(
    queue: FakeQueue, leases: Leases
) -> None:
    first, second = await receive(queue, leases, 2)
    assert leases.message_ids() == [first.id, second.id]
    await leases.end(first)
    assert leases.message_ids() == [second.id]


class TwelveHours:
    """One message, held for as long as SQS allows."""

    def __init__(self) -> None:
        self.queue = FakeQueue(visibility_seconds=3600)
        self.leases = Leases(self.queue, visibility_seconds=3600, heartbeat_seconds=1200)

    async def hold_until_lost(self) -> str:
        """Hold the message until its lease is lost; returns the reason."""
        async with self.leases.kept_alive():
            (message,) = await receive(self.queue, self.leases)
            with pytest.raises(LeaseLost) as lost, self.leases.cancel_if_lost(message):
                await asyncio.Event().wait()
        return str(lost.value)

    def heartbeats(self) -> list[tuple[float, int]]:
        """Return when each heartbeat was sent, and for how many seconds."""
        return [
            (time, seconds)
            for time, name, changes in self.queue.calls
            if name == "change_visibility" and isinstance(changes, list)
            for _, seconds in changes
        ]


async def test_a_lease_is_lost_just_before_twelve_hours_with_that_reason() -> None:
    assert "twelve hours" in await TwelveHours().hold_until_lost()
    assert 43_200 - 70 < now() < 43_200


async def test_the_last_heartbeat_extends_to_the_limit_and_no_other_follows() -> None:
    held = TwelveHours()
    await held.hold_until_lost()
    *others, (sent, seconds) = held.heartbeats()
    assert {extension for _, extension in others} == {3600}
    assert 0 < seconds < 3600
    assert 43_200 - 70 < sent + seconds < 43_200
    assert len(others) < 43_200 / (1200 * 0.8)


async def test_a_heartbeat_that_fails_near_the_limit_is_sent_again() -> None:
    held = TwelveHours()

    def failing(name: str, _: object) -> None:
        if name == "change_visibility" and 40_000 < now() < 41_000:
            raise TransientError("throttled")

    held.queue.before = failing
    assert "twelve hours" in await held.hold_until_lost()
    assert 43_200 - 70 < now() < 43_200


async def test_a_second_receive_restarts_the_twelve_hours() -> None:
    held = TwelveHours()
    async with held.leases.kept_alive():
        (message,) = await receive(held.queue, held.leases)
        await asyncio.sleep(42_000)
        held.queue.messages[message.id].visible_at = 0
        (received_again,) = await held.queue.receive(1, 1)
        assert not held.leases.claim(received_again)
        await asyncio.sleep(42_000)
        held.leases.check(message)


def lease_of_thirty_seconds() -> tuple[Lease, LeaseTimes]:
    times = LeaseTimes(visibility=30, heartbeat=10)
    return Lease.of(Message("m", "h", "{}"), answered=0.0, times=times), times


def test_the_deadline_counts_from_the_sending_of_the_heartbeat() -> None:
    lease, times = lease_of_thirty_seconds()
    lease.extend(10.0, 30, times)
    assert lease.deadline == 40.0
    assert lease.confirmed.is_set()


@pytest.mark.parametrize("sent", [30.0, 31.0])
def test_a_heartbeat_sent_at_the_deadline_or_later_does_not_extend_the_lease(sent: float) -> None:
    lease, times = lease_of_thirty_seconds()
    lease.extend(sent, 30, times)
    assert lease.deadline == 30.0
    assert not lease.confirmed.is_set()


def test_a_heartbeat_that_succeeds_after_the_loss_does_not_extend_the_lease() -> None:
    lease, times = lease_of_thirty_seconds()
    lease.lost = "SQS no longer accepts the receipt handle"
    lease.extend(10.0, 30, times)
    assert lease.deadline == 30.0
    assert not lease.confirmed.is_set()


async def test_the_deadline_of_a_claim_counts_from_the_receives_answer(
    queue: FakeQueue, leases: Leases
) -> None:
    queue.send("{}")
    (message,) = await queue.receive(1, 1)
    answered = now()
    await asyncio.sleep(20)
    leases.claim(message, answered=answered)
    leases.check(message)
    await asyncio.sleep(10)
    with pytest.raises(LeaseLost):
        leases.check(message)


async def test_a_message_with_a_successful_heartbeat_needs_no_confirmation(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await asyncio.sleep(11)
        await leases.confirm(message)
        await asyncio.sleep(1)
    assert len(queue.calls_to("change_visibility")) == 1


async def test_a_message_that_no_longer_exists_is_not_confirmed(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await asyncio.sleep(2)
        queue.messages.clear()
        with pytest.raises(LeaseLost):
            await leases.confirm(message)


async def test_a_failed_confirmation_is_sent_again(queue: FakeQueue, leases: Leases) -> None:
    queue.fail_entries = 3
    async with leases.kept_alive():
        (message,) = await receive(queue, leases)
        await asyncio.sleep(2)
        await leases.confirm(message)
    assert len(queue.calls_to("change_visibility")) == 4
    assert now() < 5
