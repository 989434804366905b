"""Any jobs at any time: the byte budget holds, is first come first served, and leaks nothing."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import examples
from worker.clock import now
from worker.jobs.limits import ByteBudget

LIMIT = 100


@dataclass(frozen=True)
class Plan:
    """One job: when it asks for how many bytes, what it needs then, and when it is cancelled."""

    asks_at: int
    size: int
    exclusive: bool
    corrections: list[int]  # one a second
    works_seconds: int
    cancelled_at: int | None


SIZES = st.integers(0, LIMIT + 50)
PLANS = st.lists(
    st.builds(
        Plan,
        asks_at=st.integers(0, 10),
        size=SIZES,
        exclusive=st.booleans(),
        corrections=st.lists(SIZES, max_size=3),
        works_seconds=st.integers(0, 5),
        cancelled_at=st.none() | st.integers(0, 20),
    ),
    max_size=12,
)


@dataclass
class Jobs:
    """Jobs under way, and what the budget should make of them."""

    budget: ByteBudget = field(default_factory=lambda: ByteBudget(LIMIT))
    waiting: list[tuple[int, Plan]] = field(default_factory=list)
    held: dict[int, int] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def fits(self, plan: Plan) -> bool:
        """Whether a job may enter: within the limit, or alone."""
        return not self.held or sum(self.held.values()) + claim(plan) <= LIMIT

    async def run(self, number: int, plan: Plan) -> None:
        await asyncio.sleep(plan.asks_at)
        self.waiting.append((number, plan))
        try:
            await self._work(number, plan)
        finally:
            if (number, plan) in self.waiting:
                self.waiting.remove((number, plan))

    async def _work(self, number: int, plan: Plan) -> None:
        async with self.budget.reserve(plan.size, exclusive=plan.exclusive) as reservation:
            assert self.fits(plan)
            assert self.waiting.pop(0) == (number, plan)
            assert reservation.held == claim(plan)
            self.held[number] = claim(plan)
            try:
                for size in plan.corrections:
                    await asyncio.sleep(1)
                    reservation.correct(size)
                    self.held[number] = max(1, size)
                await asyncio.sleep(plan.works_seconds)
                self.done.add(number)
            finally:
                del self.held[number]

    async def watch(self) -> None:
        """Between two seconds, when nothing is under way, no job waits that might enter."""
        await asyncio.sleep(0.5)
        while True:
            assert not self.waiting or not self.fits(self.waiting[0][1])
            await asyncio.sleep(1)


def claim(plan: Plan) -> int:
    """The bytes that a job holds when it enters: an empty file counts as well."""
    return LIMIT if plan.exclusive else max(1, min(plan.size, LIMIT))


@examples(2)
@given(PLANS)
async def test_the_budget_is_kept_in_the_order_of_the_requests_and_nothing_leaks(
    plans: list[Plan],
) -> None:
    jobs, began = Jobs(), now()
    loop = asyncio.get_running_loop()
    tasks = [asyncio.create_task(jobs.run(*numbered)) for numbered in enumerate(plans)]
    for task, plan in zip(tasks, plans, strict=True):
        if plan.cancelled_at is not None:
            loop.call_at(began + plan.cancelled_at, task.cancel)
    watch = asyncio.create_task(jobs.watch())
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert not watch.done(), watch.exception()
    watch.cancel()
    for number, (plan, result) in enumerate(zip(plans, results, strict=True)):
        if isinstance(result, BaseException):
            assert isinstance(result, asyncio.CancelledError), result
            assert plan.cancelled_at is not None
        else:
            assert number in jobs.done
    ended = now()
    async with jobs.budget.reserve(LIMIT):
        assert now() == ended
