import asyncio

import pytest

from worker.clock import now
from worker.jobs.limits import ByteBudget


async def test_bytes_beyond_the_budget_wait() -> None:
    budget = ByteBudget(100)
    entered = []

    async def job(size: int) -> None:
        async with budget.reserve(size):
            entered.append(size)
            await asyncio.sleep(10)

    async with asyncio.TaskGroup() as group:
        for size in (60, 50, 30):
            group.create_task(job(size))
        await asyncio.sleep(5)
        assert entered == [60]
        await asyncio.sleep(10)
        assert entered == [60, 50, 30]


async def test_a_job_larger_than_the_budget_runs_alone() -> None:
    budget = ByteBudget(100)
    async with budget.reserve(1000):
        small = asyncio.create_task(_enter(budget, 1))
        await asyncio.sleep(1)
        assert not small.done()
    await small


async def test_a_size_found_out_later_is_counted() -> None:
    budget = ByteBudget(100)
    async with budget.reserve(1) as held:
        held.correct(100)
        other = asyncio.create_task(_enter(budget, 1))
        await asyncio.sleep(1)
        assert not other.done()
    await other


async def _enter(budget: ByteBudget, size: int, *, exclusive: bool = False) -> None:
    async with budget.reserve(size, exclusive=exclusive):
        pass


async def test_who_holds_all_bytes_is_alone_whatever_the_size_of_the_others() -> None:
    budget = ByteBudget(100)
    async with budget.reserve(100):
        empty = asyncio.create_task(_enter(budget, 0))
        await asyncio.sleep(1)
        assert not empty.done()
    await empty


async def test_who_wants_all_bytes_waits_even_for_an_empty_file() -> None:
    budget = ByteBudget(100)
    async with budget.reserve(0):
        exclusive = asyncio.create_task(_enter(budget, 100))
        await asyncio.sleep(1)
        assert not exclusive.done()
    await exclusive


async def test_who_wants_all_bytes_is_not_overtaken() -> None:
    budget = ByteBudget(100)
    entered = []

    async def job(size: int) -> None:
        async with budget.reserve(size):
            entered.append(size)
            await asyncio.sleep(10)

    async with asyncio.TaskGroup() as group:
        for size in (60, 100, 1):
            group.create_task(job(size))
    assert entered == [60, 100, 1]


async def test_who_wants_to_be_alone_gets_the_whole_budget_if_the_others_leave_in_time() -> None:
    budget = ByteBudget(100)

    async def other() -> None:
        async with budget.reserve(1):
            await asyncio.sleep(59)

    others = asyncio.create_task(other())
    await asyncio.sleep(0)
    async with budget.reserve(10, exclusive=True) as reservation:
        assert reservation.exclusive
        assert reservation.held == 100
        assert now() == pytest.approx(59)
    await others


async def test_who_wants_to_be_alone_goes_on_beside_the_others_after_a_minute() -> None:
    budget = ByteBudget(100)
    async with budget.reserve(90), budget.reserve(10, exclusive=True) as reservation:
        assert not reservation.exclusive
        assert reservation.held == 10
        assert now() == pytest.approx(60)


async def test_who_wants_to_be_alone_waits_for_room_in_its_turn_after_that_minute() -> None:
    budget = ByteBudget(100)
    entered = []

    async def job(size: int, *, exclusive: bool = False) -> None:
        async with budget.reserve(size, exclusive=exclusive):
            entered.append((size, now()))
            await asyncio.sleep(100)

    async with asyncio.TaskGroup() as group:
        group.create_task(job(95))
        group.create_task(job(10, exclusive=True))
        group.create_task(job(1))
    assert entered == [(95, 0), (10, 100), (1, 200)]  # it is alone after all


async def test_several_who_want_to_be_alone_keep_others_waiting_for_one_minute_together() -> None:
    budget = ByteBudget(100)
    entered = []

    async def job(*, exclusive: bool) -> None:
        async with budget.reserve(10, exclusive=exclusive):
            entered.append(now())

    async with budget.reserve(10), asyncio.TaskGroup() as group:
        for exclusive in (True, True, True, False):
            group.create_task(job(exclusive=exclusive))
    assert entered == [pytest.approx(60)] * 4


async def test_who_waits_for_another_one_that_is_alone_is_alone_after_that() -> None:
    budget = ByteBudget(100)
    entered = []

    async def job() -> None:
        async with budget.reserve(10, exclusive=True) as reservation:
            entered.append((now(), reservation.exclusive))
            await asyncio.sleep(900)

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(job())
    assert entered == [(0, True), (900, True)]


async def test_who_gives_up_waiting_to_be_alone_holds_nothing() -> None:
    budget = ByteBudget(100)
    async with budget.reserve(10):
        alone = asyncio.create_task(_enter(budget, 1, exclusive=True))
        await asyncio.sleep(30)
        alone.cancel()
        async with budget.reserve(90):
            assert now() == pytest.approx(30)


async def test_who_gives_up_waiting_lets_the_next_one_in() -> None:
    budget = ByteBudget(100)
    async with budget.reserve(50):
        large = asyncio.create_task(_enter(budget, 100))
        small = asyncio.create_task(_enter(budget, 50))
        await asyncio.sleep(1)
        assert not small.done()
        large.cancel()
        await small


async def test_an_empty_file_keeps_its_place_when_its_output_is_empty_too() -> None:
    budget = ByteBudget(100)

    async def exclusive() -> None:
        async with budget.reserve(100):
            pass

    async with budget.reserve(0) as held:
        held.correct(0)
        waiting = asyncio.create_task(exclusive())
        await asyncio.sleep(1)
        assert not waiting.done()
    await waiting


async def test_a_job_takes_further_bytes_if_they_are_free_and_gives_them_back() -> None:
    budget = ByteBudget(10)
    async with budget.reserve(4) as held:
        assert not held.take(7)
        assert held.take(6)
        assert held.held == 10
        assert not held.take(1)
        held.give_back(6)
        assert held.held == 4
        assert budget.has_spare(6)


async def test_a_job_takes_no_further_bytes_while_another_one_waits_for_any() -> None:
    budget = ByteBudget(10)
    async with budget.reserve(4) as held:
        waiting = asyncio.create_task(hold(budget, 8))
        await asyncio.sleep(1)
        assert held.are_wanted
        assert not held.take(1)
    await waiting
    assert not held.are_wanted


async def hold(budget: ByteBudget, size: int) -> None:
    async with budget.reserve(size):
        pass
