import asyncio

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


async def _enter(budget: ByteBudget, size: int) -> None:
    async with budget.reserve(size):
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
