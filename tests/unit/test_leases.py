import asyncio
from collections.abc import Sequence

import pytest

from tests.fakes.queue import FakeQueue, now
from worker.errors import FatalError, LeaseLost, TransientError
from worker.job import Message
from worker.leases import Leases


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
        if name == "change_visibility" and "m0/1" in str(arguments):
            await asyncio.sleep(1000)

    queue.before = hanging
    async with leases.kept_alive():
        (first,) = await received(queue, leases)
        await asyncio.sleep(4)
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
        assert await leases.end(message) == message.receipt_handle
        assert answered.is_set()


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
        assert await leases.end(message) == again.receipt_handle


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
    queue: FakeQueue, leases: Leases, stale: str
) -> None:
    queue.stale_handles = stale  # type: ignore[assignment]
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
