"""Slots are handed out in turn, and none is lost."""

import asyncio

import pytest

from worker.pool.slots import Slots


async def waiting(slots: Slots[str], count: int) -> list["asyncio.Task[str]"]:
    """Let so many jobs wait for a slot."""
    jobs = [asyncio.create_task(slots.take()) for _ in range(count)]
    await asyncio.sleep(1)
    return jobs


async def test_the_slot_that_was_given_back_last_is_taken_first() -> None:
    slots = Slots(["a", "b"])
    assert [await slots.take(), await slots.take()] == ["b", "a"]
    slots.give_back("b")
    slots.give_back("a")
    assert await slots.take() == "a"


async def test_the_job_that_has_waited_longest_gets_the_next_slot() -> None:
    slots = Slots[str]([])
    first, second = await waiting(slots, 2)
    slots.give_back("a")
    assert await first == "a"
    assert not second.done()
    slots.give_back("b")
    assert await second == "b"


async def test_a_slot_is_spare_only_if_no_job_waits_for_it() -> None:
    slots = Slots(["a"])
    assert slots.take_spare() == "a"
    assert slots.take_spare() is None
    (job,) = await waiting(slots, 1)
    assert slots.are_wanted
    slots.give_back("a")
    assert slots.take_spare() is None
    assert await job == "a"
    assert not slots.are_wanted


async def test_a_job_that_is_cancelled_while_it_waits_leaves_its_turn_to_the_next() -> None:
    slots = Slots[str]([])
    first, second = await waiting(slots, 2)
    first.cancel()
    await asyncio.wait([first])
    slots.give_back("a")
    assert await second == "a"


@pytest.mark.parametrize("given_first", [True, False])
async def test_a_job_that_is_cancelled_as_it_gets_a_slot_loses_none(*, given_first: bool) -> None:
    slots = Slots[str]([])
    (job,) = await waiting(slots, 1)
    if given_first:
        slots.give_back("a")
        job.cancel()
    else:
        job.cancel()
        slots.give_back("a")
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not slots.are_wanted
    assert slots.take_spare() == "a"
