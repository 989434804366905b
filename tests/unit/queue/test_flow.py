import asyncio

from worker.job import Message
from worker.queue.flow import Buffer, Slots


def message(message_id: str) -> Message:
    return Message(message_id, f"handle of {message_id}", "{}")


async def test_no_more_slots_are_reserved_than_are_free() -> None:
    slots = Slots(12)
    assert await slots.reserve(10) == 10
    assert await slots.reserve(10) == 2


async def test_a_slot_given_back_ends_the_wait_for_slots() -> None:
    slots = Slots(1)
    await slots.reserve(1)
    waiting = asyncio.create_task(slots.reserve(10))
    await asyncio.sleep(1)
    assert not waiting.done()
    slots.give_back()
    assert await waiting == 1


async def test_no_slot_is_reserved_before_enough_slots_are_free() -> None:
    slots = Slots(4, least=2)
    await slots.reserve(10)
    waiting = asyncio.create_task(slots.reserve(10))
    slots.give_back()
    await asyncio.sleep(1)
    assert not waiting.done()
    slots.give_back(2)
    assert await waiting == 3


async def test_closing_the_slots_ends_the_wait_for_slots() -> None:
    slots = Slots(1)
    await slots.reserve(1)
    waiting = asyncio.create_task(slots.reserve(10))
    await asyncio.sleep(1)
    slots.close()
    assert await waiting == 0


async def test_messages_leave_the_buffer_in_the_order_of_their_arrival() -> None:
    buffer = Buffer()
    buffer.put([message("a"), message("b")])
    assert [await buffer.get(), await buffer.get()] == [message("a"), message("b")]


async def test_a_closed_buffer_hands_out_no_message_and_keeps_its_messages() -> None:
    buffer = Buffer()
    waiting = asyncio.create_task(buffer.get())
    await asyncio.sleep(1)
    buffer.close()
    buffer.put([message("late")])
    assert await waiting is None
    assert buffer.take_all() == [message("late")]
