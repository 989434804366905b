import asyncio

from worker.job import Message
from worker.queue.flow import Buffer, Slots


def message(name: str) -> Message:
    return Message(name, f"handle of {name}", "{}")


async def test_no_more_slots_are_given_than_there_are() -> None:
    slots = Slots(12)
    assert await slots.reserve(10) == 10
    assert await slots.reserve(10) == 2


async def test_a_slot_given_back_wakes_who_waits() -> None:
    slots = Slots(1)
    await slots.reserve(1)
    waiting = asyncio.create_task(slots.reserve(10))
    await asyncio.sleep(1)
    assert not waiting.done()
    slots.give_back()
    assert await waiting == 1


async def test_slots_are_given_by_the_batch() -> None:
    slots = Slots(4, least=2)
    await slots.reserve(10)
    waiting = asyncio.create_task(slots.reserve(10))
    slots.give_back()
    await asyncio.sleep(1)
    assert not waiting.done()
    slots.give_back(2)
    assert await waiting == 3


async def test_closed_slots_let_nobody_wait() -> None:
    slots = Slots(1)
    await slots.reserve(1)
    waiting = asyncio.create_task(slots.reserve(10))
    await asyncio.sleep(1)
    slots.close()
    assert await waiting == 0


async def test_messages_leave_the_buffer_in_the_order_they_came() -> None:
    buffer = Buffer()
    buffer.put([message("a"), message("b")])
    assert [await buffer.get(), await buffer.get()] == [message("a"), message("b")]


async def test_a_closed_buffer_starts_nothing_and_keeps_what_was_not_started() -> None:
    buffer = Buffer()
    waiting = asyncio.create_task(buffer.get())
    await asyncio.sleep(1)
    buffer.close()
    buffer.put([message("late")])
    assert await waiting is None
    assert buffer.take_all() == [message("late")]
