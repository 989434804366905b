"""A large file is predicted by all processes that nobody else wants, and written in its order."""

import asyncio
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from tests.support.fakes.async_streams import AsyncMemoryInput, AsyncMemoryOutput
from tests.support.fakes.part_process import PartProcess, expected, packed_plan_of, plan_of
from worker.clock import now
from worker.errors import (
    PermanentError,
    ProcessLost,
    StrayCancellation,
    TooManyRejected,
    Unparsable,
)
from worker.interfaces import Part, PartCounts, Position, ScoreOptions, ScoreResult
from worker.jobs.limits import ByteBudget
from worker.pool.large_file import HELD_BYTES
from worker.pool.pool import Pool

RESERVED = 100
OPTIONS = ScoreOptions(reserved_bytes=RESERVED, max_rejected=1.0)
LINES = 100
CONTENT = b"".join(b"row %02d\n" % number for number in range(LINES))
PART = 70  # ten lines
PART_SECONDS = 13  # a second for each message about a part: its begin, header, lines and end


class WatchedBudget(ByteBudget):
    """Remembers the most bytes that were in use."""

    most = 0

    def take(self, size: int) -> None:
        super().take(size)
        self.most = max(self.most, self._used)


@dataclass
class LargeJob:
    """A pool on the virtual clock, and a large file for it."""

    content: bytes = CONTENT
    processes: int = 2
    part_bytes: int = PART
    wrong: Collection[int] = ()
    budget_bytes: int = 10_000
    packed: bool = False
    output: AsyncMemoryOutput = field(default_factory=AsyncMemoryOutput)

    def __post_init__(self) -> None:
        plan = plan_of(self.content, self.part_bytes)
        if self.packed:
            plan = packed_plan_of(self.part_bytes)
        self.slots = [PartProcess(plan, wrong=self.wrong) for _ in range(self.processes)]
        self.pool = Pool(list(self.slots))
        self.budget = WatchedBudget(self.budget_bytes)
        self.reader = AsyncMemoryInput(self.content, first_bytes=0)

    async def score(self, options: ScoreOptions = OPTIONS, *, fresh: bool = False) -> ScoreResult:
        async with self.budget.reserve(RESERVED) as held:
            try:
                return await self.pool.score(
                    self.reader, options, self.output, fresh=fresh, spare_bytes=held
                )
            finally:
                assert held.held == RESERVED

    async def score_small(self, seconds: int = 1) -> float:
        """Score a small file, and return when it ended."""
        reader = AsyncMemoryInput(b"%d" % seconds)
        async with self.budget.reserve(RESERVED) as held:
            await self.pool.score(reader, OPTIONS, AsyncMemoryOutput(), spare_bytes=held)
        return now()

    async def most_held_back(self) -> int:
        """Score the file, and return the most bytes that were taken and not written."""
        most, large = 0, asyncio.create_task(self.score())
        while not large.done():
            taken = sum(slot.sent for slot in self.slots)
            most = max(most, taken - len(self.output.output))
            await asyncio.sleep(0.05)
        await large
        return most

    @property
    def parts(self) -> list[Part]:
        """All parts that were begun."""
        return [part for slot in self.slots for part in slot.parts]

    def check_output(self) -> None:
        assert (bytes(self.output.output), bytes(self.output.rejects)) == expected(self.content)

    async def check_nothing_is_left(self) -> None:
        """Check that every task and download has ended, and that all slots and bytes are free."""
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert self.reader.open_downloads == 0
        assert self.budget.has_spare(self.budget.limit)
        slots = [self.pool._slots.take_spare() for _ in self.slots]
        assert None not in slots
        for slot in slots:
            if slot is not None:
                self.pool._slots.give_back(slot)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
async def test_the_output_is_the_same_for_any_number_of_processes(processes: int) -> None:
    job = LargeJob(processes=processes)
    assert await job.score() == ScoreResult(LINES, 0, PartCounts(10, 0, processes))
    job.check_output()
    assert all(slot.parts for slot in job.slots)
    assert len(job.parts) == 10
    await job.check_nothing_is_left()


async def test_no_more_processes_are_taken_than_there_are_parts() -> None:
    job = LargeJob(CONTENT[: 2 * PART], processes=4)
    assert await job.score() == ScoreResult(20, 0, PartCounts(2, 0, 2))
    job.check_output()
    await job.check_nothing_is_left()


async def test_two_processes_take_half_the_time() -> None:
    seconds = []
    for processes in (1, 2):
        began = now()
        await LargeJob(processes=processes).score()
        seconds.append(now() - began)
    assert seconds[1] == seconds[0] / 2


async def test_one_process_knows_where_each_part_begins() -> None:
    job = LargeJob(processes=1)
    await job.score()
    assert [part.begin for part in job.parts] == [
        Position(start, 1 + start // 7) for start in range(0, len(CONTENT), PART)
    ]


@pytest.mark.parametrize("processes", [2, 4])
async def test_a_part_whose_guess_was_wrong_is_predicted_again_and_no_row_is_lost(
    processes: int,
) -> None:
    job = LargeJob(processes=processes, wrong=range(100))
    result = await job.score()
    job.check_output()
    assert result.parts is not None
    assert result.parts.repeated_parts == len(job.parts) - 10 > 0
    await job.check_nothing_is_left()


async def test_one_process_goes_on_alone_if_the_guesses_are_wrong_again_and_again() -> None:
    job = LargeJob(processes=4, part_bytes=7, wrong=range(LINES))
    result = await job.score()
    job.check_output()
    assert result.parts is not None
    assert 0 < result.parts.repeated_parts < 0.6 * LINES
    await job.check_nothing_is_left()


def drawn_content(random: Random) -> bytes:
    kinds = (b"row", b"bad", b"a row that is much longer than the parts are")
    weights = (8, random.choice((0, 1)), random.choice((0, 1)))
    lines = random.choices(kinds, weights, k=random.randint(1, 60))
    return b"".join(b"%b %d\n" % (kind, number) for number, kind in enumerate(lines))


@pytest.mark.parametrize("seed", range(8))
async def test_any_file_in_any_parts_by_any_processes_gives_the_same_output(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - of examples
    for _ in range(25):
        content, part_bytes = drawn_content(random), random.randint(5, 60)
        numbers = range(len(content) // part_bytes + 1)
        job = LargeJob(
            content,
            random.randint(1, 5),
            part_bytes,
            wrong=random.sample(numbers, random.randint(0, len(numbers))),
            # Too few for helpers, for output that is held back, or enough.
            budget_bytes=RESERVED * random.randint(1, 5) + random.choice((0, 10, 1000)),
        )
        seconds = [random.choice((0.1, 1, 5)) for _ in range(7)]
        for slot in job.slots:
            slot.seconds = lambda part, seconds=seconds: seconds[part.number % 7]  # type: ignore[misc] # mypy infers no lambda with a default
        small = asyncio.create_task(job.score_small(random.randint(0, 3)))
        result = await job.score()
        await small
        job.check_output()
        assert result.rows + result.rejected == len(content.splitlines())
        assert job.budget.most <= job.budget_bytes
        await job.check_nothing_is_left()


async def test_small_files_get_a_process_when_a_part_ends_and_the_large_file_goes_on() -> None:
    job = LargeJob(processes=3)
    large = asyncio.create_task(job.score())
    await asyncio.sleep(1)
    ends = await asyncio.gather(*(job.score_small() for _ in range(20)))
    assert not large.done()
    assert ends[1] < 20  # two at once, from the first parts' ends on
    assert ends[-1] < 40
    own = [slot for slot in job.slots if len(slot.parts) > 1]
    assert own  # of the large file, which kept its process
    await large
    job.check_output()
    await job.check_nothing_is_left()


async def test_processes_that_become_free_help_with_the_large_file() -> None:
    job = LargeJob(processes=2)
    small = asyncio.create_task(job.score_small(20))
    await asyncio.sleep(0)
    began = now()
    await job.score()
    assert now() - began < 10 * PART_SECONDS
    assert await small == 20
    job.check_output()


async def test_a_file_that_runs_exclusively_has_one_process_which_runs_nothing_else() -> None:
    job = LargeJob(processes=3)
    await job.score(fresh=True)
    job.check_output()
    assert sorted(slot.closed for slot in job.slots) == [0, 0, 2]
    assert sorted(len(slot.parts) for slot in job.slots) == [0, 0, 10]


async def test_helpers_leave_when_another_job_waits_for_their_bytes() -> None:
    job = LargeJob(processes=3, budget_bytes=4 * RESERVED)
    large = asyncio.create_task(job.score())
    await asyncio.sleep(1)
    began = now()
    async with job.budget.reserve(3 * RESERVED):
        assert now() - began < 3 * PART_SECONDS  # the parts under way
        assert not large.done()
        await asyncio.sleep(200)
        assert large.done()
    await large
    job.check_output()
    await job.check_nothing_is_left()


async def test_output_is_held_back_within_the_budget() -> None:
    job = LargeJob(processes=4, budget_bytes=4 * RESERVED + 20)
    for slot in job.slots:
        slot.seconds = lambda part: 10.0 if part.number == 0 else 0.1
    large = asyncio.create_task(job.score())
    await asyncio.sleep(60)
    assert 0 < sum(slot.sent for slot in job.slots) - len(job.output.output) <= 20
    await large
    job.check_output()
    assert job.budget.most <= job.budget_bytes
    await job.check_nothing_is_left()


async def test_the_bytes_of_output_that_was_held_back_are_free_once_it_is_written() -> None:
    job = LargeJob(budget_bytes=2 * RESERVED + PART)
    began = now()
    await job.score()
    assert now() - began == 5 * PART_SECONDS


async def test_the_bytes_of_output_that_is_being_written_are_not_free() -> None:
    written = asyncio.Event()

    class SlowOutput(AsyncMemoryOutput):
        async def write(self, data: bytes) -> None:
            if data == b"ROW 10\n":  # the first line of a part that was held back
                await written.wait()
            await super().write(data)

    job = LargeJob(output=SlowOutput())
    large = asyncio.create_task(job.score())
    await asyncio.sleep(3 * PART_SECONDS)
    free = job.budget.limit - 2 * RESERVED - PART
    assert job.budget.has_spare(free)
    assert not job.budget.has_spare(free + 1)
    written.set()
    await large
    job.check_output()


class MibLines(LargeJob):
    """A file of parts of 4 MiB, in lines of one; the first part takes longer than all others."""

    def __init__(self) -> None:
        lines = [(b"%d" % number).ljust((1 << 20) - 1) + b"\n" for number in range(24)]
        super().__init__(b"".join(lines), part_bytes=4 << 20, budget_bytes=1 << 30)
        for slot in self.slots:
            slot.seconds = lambda part: 0.1 if part.number else 30.0


async def test_no_more_than_4_mib_for_each_process_are_held_back() -> None:
    job = MibLines()
    assert await job.most_held_back() == 2 * HELD_BYTES
    job.check_output()


async def test_a_head_is_predicted_again_though_no_more_may_be_held_back() -> None:
    job = MibLines()
    for slot in job.slots:
        slot.failing_guesses = (1,)
    await job.score()
    job.check_output()


async def test_a_process_that_another_job_wants_predicts_a_head_that_nobody_has() -> None:
    # Otherwise the job's own process would wait for the head for ever: its part is behind it.
    job = LargeJob(processes=3, budget_bytes=3 * RESERVED, wrong=[2])
    large = asyncio.create_task(job.score())
    await asyncio.sleep(1)
    small = [asyncio.create_task(job.score_small(50)) for _ in range(10)]
    await large
    job.check_output()
    await asyncio.gather(*small)
    await job.check_nothing_is_left()


async def test_the_next_parts_are_downloaded_while_others_are_predicted() -> None:
    job = LargeJob(processes=1)
    large = asyncio.create_task(job.score())
    await asyncio.sleep(1)
    assert [start for start, _ in job.reader.ahead] == [0, PART - 1, 2 * PART - 1]
    await large
    assert len(job.reader.ahead) == len(job.parts)


async def test_downloads_of_parts_within_a_long_row_are_dropped() -> None:
    job = LargeJob(b"".join(b"%0180d\n" % number for number in range(20)), processes=1)
    large = asyncio.create_task(job.score())
    most = 0
    while not large.done():
        most = max(most, job.reader.open_downloads)
        await asyncio.sleep(0.5)
    assert most == 3  # of the part under way, and of PARTS_AHEAD more than there are processes
    job.check_output()
    await job.check_nothing_is_left()


async def test_an_error_counts_when_the_chain_has_reached_its_part() -> None:
    content = CONTENT.replace(b"row 55", b"error!")
    job = LargeJob(content, processes=3)
    with pytest.raises(Unparsable, match="line 6 of the part"):
        await job.score()
    assert Position(5 * PART, 51) in [part.begin for part in job.parts]
    assert expected(content)[0].startswith(bytes(job.output.output))
    await job.check_nothing_is_left()


async def test_an_error_of_a_wrong_guess_does_not_count() -> None:
    job = LargeJob(processes=3)
    for slot in job.slots:
        slot.failing_guesses = (1, 2, 5)
    await job.score()
    job.check_output()
    await job.check_nothing_is_left()


async def test_too_many_rejected_rows_fail_the_file_with_their_lines() -> None:
    content = CONTENT.replace(b"row 3", b"bad 3")
    texts = set()
    for processes in (1, 2, 4):
        job = LargeJob(content, processes)
        with pytest.raises(TooManyRejected) as error:
            await job.score(replace(OPTIONS, max_rejected=0.0))
        texts.add(str(error.value))
        await job.check_nothing_is_left()
    (text,) = texts
    assert "line 31: bad" in text


async def test_a_process_that_is_killed_fails_the_job_and_no_other_process() -> None:
    job = LargeJob(processes=3)
    for slot in job.slots:
        slot.killed_by = 4
    with pytest.raises(ProcessLost):
        await job.score()
    await job.check_nothing_is_left()


async def test_a_helper_that_is_interrupted_though_nobody_cancelled_it_fails_the_job() -> None:
    """A task group takes its end for a cancellation, and the job would wait for its part."""
    job = LargeJob()
    for slot in job.slots:
        slot.interrupted_by = 1
    with pytest.raises(StrayCancellation):
        await job.score()
    await job.check_nothing_is_left()


async def cancel_after(
    seconds: float, score: Coroutine[Any, Any, ScoreResult], *, again_after: int | None
) -> None:
    """Cancel a job after some seconds, and again after so many steps of the event loop."""
    large = asyncio.create_task(score)
    await asyncio.sleep(seconds)
    large.cancel()
    if again_after is not None:
        for _ in range(again_after):
            await asyncio.sleep(0)
        large.cancel()
    with pytest.raises(asyncio.CancelledError):
        await large


@pytest.mark.parametrize("steps", [None, *range(10)])
async def test_a_job_that_is_cancelled_leaves_nothing(steps: int | None) -> None:
    """Also if it is cancelled again after so many steps, as by a stop after its time limit."""
    job = LargeJob(processes=3, wrong=[1, 2])
    for seconds in (0, 1, 9.5, 15, 25):
        await cancel_after(seconds, job.score(), again_after=steps)
        job.output = AsyncMemoryOutput()
        await job.check_nothing_is_left()


class FullDisk(AsyncMemoryOutput):
    """Takes some output, and no more."""

    async def write(self, data: bytes) -> None:
        await super().write(data)
        if len(self.output) > 200:
            raise PermanentError("no more")


async def test_an_output_that_cannot_be_written_fails_the_job() -> None:
    job = LargeJob(processes=3, output=FullDisk())
    with pytest.raises(PermanentError, match="no more"):
        await job.score()
    await job.check_nothing_is_left()


async def test_two_large_files_share_the_processes() -> None:
    jobs = [LargeJob(processes=4), LargeJob(processes=4)]
    jobs[1].pool, jobs[1].budget, jobs[1].slots = jobs[0].pool, jobs[0].budget, jobs[0].slots
    began = now()
    await asyncio.gather(*(job.score() for job in jobs))
    assert now() - began < 2 * 10 * PART_SECONDS / 4 * 1.2
    for job in jobs:
        job.check_output()
    await jobs[0].check_nothing_is_left()
