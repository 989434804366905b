import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.queue import FakeQueue, now
from tests.support.simulation.behaviour import SqsBehaviour, StaleHandles
from worker.errors import FatalError, LeaseLost, TransientError
from worker.job import Message
from worker.queue.leases import Lease, Leases, LeaseTimes


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue(visibility_seconds=30)


@pytest.fixture
def leases(queue: FakeQueue) -> Leases:
    return Leases(queue, visibility_seconds=30, heartbeat_seconds=10)


async def received(queue: FakeQueue, leases: Leases, count: int = 1) -> list[Message]:
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
        (message,) = await received(queue, leases)
        for _ in range(100):
            await asyncio.sleep(5)
            assert queue.visible() == []
            leases.check(message)


async def test_heartbeats_of_many_messages_share_calls(queue: FakeQueue, leases: Leases) -> None:
    async with leases.kept_alive():
        await received(queue, leases, 20)
        await asyncio.sleep(60)
    batches = queue.named("change_visibility")
    assert all(isinstance(batch, Sequence) and len(batch) <= 10 for batch in batches)
    assert len(batches) <= 2 * 60 / (10 * 0.8) + 2


async def test_a_failed_heartbeat_is_tried_again_until_the_deadline(
    queue: FakeQueue, leases: Leases
) -> None:
    def failing(name: str, _: object) -> None:
        if name == "change_visibility" and now() < 25:
            raise TransientError("throttled")

    queue.before = failing
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await asyncio.sleep(60)
        leases.check(message)
    assert queue.visible() == []


async def test_a_failed_entry_of_a_batch_is_tried_again(queue: FakeQueue, leases: Leases) -> None:
    queue.fail_entries = 5
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await asyncio.sleep(60)
        leases.check(message)


async def test_a_deadline_moves_only_on_success(queue: FakeQueue, leases: Leases) -> None:
    def failing(name: str, _: object) -> None:
        if name == "change_visibility":
            raise TransientError("no network")

    queue.before = failing
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await asyncio.sleep(31)
        with pytest.raises(LeaseLost):
            leases.check(message)


async def test_a_refused_heartbeat_loses_the_lease_at_once(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        queue.messages.clear()
        await asyncio.sleep(11)
        with pytest.raises(LeaseLost):
            leases.check(message)


async def test_a_lost_lease_cancels_its_job(queue: FakeQueue, leases: Leases) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        queue.messages.clear()
        with pytest.raises(LeaseLost), leases.cancel_if_lost(message):
            await asyncio.Event().wait()


async def test_a_cancellation_from_outside_is_no_lost_lease(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)

        async def job() -> None:
            with leases.cancel_if_lost(message):
                await asyncio.Event().wait()

        task = asyncio.create_task(job())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        leases.check(message)


async def test_a_hanging_heartbeat_does_not_stop_those_of_others(
    queue: FakeQueue, leases: Leases
) -> None:
    async def hanging(name: str, arguments: object) -> None:
        if name == "change_visibility" and "'handle-1'" in str(arguments):
            await asyncio.sleep(1000)

    queue.before = hanging
    async with leases.kept_alive():
        (first,) = await received(queue, leases)
        await asyncio.sleep(6)
        (second,) = await received(queue, leases)
        await asyncio.sleep(60)
        leases.check(second)
        with pytest.raises(LeaseLost):
            leases.check(first)


async def test_ending_waits_for_the_beat_under_way(queue: FakeQueue, leases: Leases) -> None:
    sent, answered = asyncio.Event(), asyncio.Event()

    async def slow(name: str, _: object) -> None:
        if name == "change_visibility":
            sent.set()
            await asyncio.sleep(3)
            answered.set()

    queue.before = slow
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await sent.wait()
        assert (await leases.end(message)).handle == message.receipt_handle
        assert answered.is_set()


async def test_a_lease_that_runs_out_while_it_is_let_go_is_lost_and_says_so(
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
        (message,) = await received(queue, leases)
        await sent.wait()
        with pytest.raises(LeaseLost):
            await leases.end(message)
    (line,) = [line for line in logs.entries if line["event"] == "lease lost"]
    assert line["message_id"] == message.id


async def test_no_beat_follows_the_end(queue: FakeQueue, leases: Leases) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await leases.end(message)
        await asyncio.sleep(100)
    assert queue.named("change_visibility") == []


async def test_a_message_is_ended_once(queue: FakeQueue, leases: Leases) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await leases.end(message)
        with pytest.raises(LeaseLost):
            await leases.end(message)


async def test_a_second_receive_of_a_message_in_hand_swaps_the_handle_and_stays_one_job(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        queue.messages[message.id].visible_at = 0
        (again,) = await queue.receive(1, 1)
        assert not leases.claim(again)
        await asyncio.sleep(100)
        assert queue.visible() == []
        assert (await leases.end(message)).handle == again.receipt_handle


async def test_a_message_that_waited_is_confirmed_before_it_starts(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await asyncio.sleep(2)
        await leases.confirm(message)
    assert len(queue.named("change_visibility")) == 1


async def test_a_message_that_starts_at_once_needs_no_confirmation(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await leases.confirm(message)
    assert queue.named("change_visibility") == []


@pytest.mark.parametrize("stale", ["refused", "ignored", "honoured"])
async def test_a_pause_longer_than_the_timeout_loses_the_lease_whatever_sqs_answers(
    stale: StaleHandles,
) -> None:
    queue = FakeQueue(behaviour=SqsBehaviour(stale_handles=stale))
    leases = Leases(queue, visibility_seconds=30, heartbeat_seconds=10)
    (message,) = await received(queue, leases)
    await asyncio.sleep(31)  # no heartbeat ran: the process was stopped
    async with leases.kept_alive():
        with pytest.raises(LeaseLost):
            await leases.confirm(message)
    assert queue.named("change_visibility") == []


async def test_nothing_is_held_past_twelve_hours() -> None:
    queue = FakeQueue(visibility_seconds=3600)
    leases = Leases(queue, visibility_seconds=3600, heartbeat_seconds=1200)
    async with leases.kept_alive():
        await received(queue, leases)
        await asyncio.sleep(43_200 - 5)
    ends = [
        time + seconds
        for time, name, changes in queue.calls
        if name == "change_visibility" and isinstance(changes, list)
        for _, seconds in changes
    ]
    assert max(ends) <= 43_200


async def test_a_queue_that_is_gone_ends_the_heartbeats_loudly(
    queue: FakeQueue, leases: Leases
) -> None:
    def gone(name: str, _: object) -> None:
        if name == "change_visibility":
            raise FatalError("the queue does not exist")

    with pytest.raises(ExceptionGroup) as error:  # noqa: PT012
        async with leases.kept_alive():
            await received(queue, leases)
            queue.before = gone
            await asyncio.Event().wait()
    assert error.group_contains(FatalError)


async def test_messages_in_hand_are_named_until_they_are_let_go_of(
    queue: FakeQueue, leases: Leases
) -> None:
    first, second = await received(queue, leases, 2)
    assert leases.message_ids() == [first.id, second.id]
    await leases.end(first)
    assert leases.message_ids() == [second.id]


class Hours:
    """A message held for as long as SQS allows, with a queue that notes the beats for it."""

    def __init__(self) -> None:
        self.queue = FakeQueue(visibility_seconds=3600)
        self.leases = Leases(self.queue, visibility_seconds=3600, heartbeat_seconds=1200)

    async def until_lost(self) -> str:
        """Say why it was lost in the end."""
        async with self.leases.kept_alive():
            (message,) = await received(self.queue, self.leases)
            with pytest.raises(LeaseLost) as lost, self.leases.cancel_if_lost(message):
                await asyncio.Event().wait()
        return str(lost.value)

    def beats(self) -> list[tuple[float, int]]:
        """When each beat was sent, and for how many seconds it asked."""
        return [
            (time, seconds)
            for time, name, changes in self.queue.calls
            if name == "change_visibility" and isinstance(changes, list)
            for _, seconds in changes
        ]


async def test_a_lease_is_lost_just_before_twelve_hours_and_says_why() -> None:
    assert "twelve hours" in await Hours().until_lost()
    assert 43_200 - 70 < now() < 43_200


async def test_the_last_beat_reaches_to_the_limit_and_none_follows() -> None:
    held = Hours()
    await held.until_lost()
    *others, (sent, seconds) = held.beats()
    assert {asked for _, asked in others} == {3600}
    assert 0 < seconds < 3600
    assert 43_200 - 70 < sent + seconds < 43_200
    assert len(others) < 43_200 / (1200 * 0.8)


async def test_a_beat_that_fails_near_the_limit_is_sent_again() -> None:
    held = Hours()

    def failing(name: str, _: object) -> None:
        if name == "change_visibility" and 40_000 < now() < 41_000:
            raise TransientError("throttled")

    held.queue.before = failing
    assert "twelve hours" in await held.until_lost()
    assert 43_200 - 70 < now() < 43_200


async def test_a_second_receive_begins_the_twelve_hours_anew() -> None:
    held = Hours()
    async with held.leases.kept_alive():
        (message,) = await received(held.queue, held.leases)
        await asyncio.sleep(42_000)
        held.queue.messages[message.id].visible_at = 0
        (again,) = await held.queue.receive(1, 1)
        assert not held.leases.claim(again)
        await asyncio.sleep(42_000)
        held.leases.check(message)


def lease_of_thirty_seconds() -> tuple[Lease, LeaseTimes]:
    times = LeaseTimes(visibility=30, heartbeat=10)
    return Lease.of(Message("m", "h", "{}"), answered=0.0, times=times), times


def test_a_deadline_counts_from_when_the_beat_was_sent() -> None:
    lease, times = lease_of_thirty_seconds()
    lease.extend(10.0, 30, times)
    assert lease.deadline == 40.0
    assert lease.confirmed.is_set()


@pytest.mark.parametrize("sent", [30.0, 31.0])
def test_a_beat_sent_at_the_deadline_or_later_revives_nothing(sent: float) -> None:
    lease, times = lease_of_thirty_seconds()
    lease.extend(sent, 30, times)
    assert lease.deadline == 30.0
    assert not lease.confirmed.is_set()


def test_a_beat_that_succeeds_after_the_loss_revives_nothing() -> None:
    lease, times = lease_of_thirty_seconds()
    lease.lost = "SQS no longer accepts the receipt handle"
    lease.extend(10.0, 30, times)
    assert lease.deadline == 30.0
    assert not lease.confirmed.is_set()


async def test_an_answer_that_is_old_counts_from_when_it_came(
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


async def test_a_message_that_a_beat_has_extended_needs_no_confirmation(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await asyncio.sleep(11)
        await leases.confirm(message)
        await asyncio.sleep(1)
    assert len(queue.named("change_visibility")) == 1


async def test_a_message_that_sqs_has_forgotten_is_not_confirmed(
    queue: FakeQueue, leases: Leases
) -> None:
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await asyncio.sleep(2)
        queue.messages.clear()
        with pytest.raises(LeaseLost):
            await leases.confirm(message)


async def test_a_confirmation_that_fails_is_asked_for_again(
    queue: FakeQueue, leases: Leases
) -> None:
    queue.fail_entries = 3
    async with leases.kept_alive():
        (message,) = await received(queue, leases)
        await asyncio.sleep(2)
        await leases.confirm(message)
    assert len(queue.named("change_visibility")) == 4
    assert now() < 5
