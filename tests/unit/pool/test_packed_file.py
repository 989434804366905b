"""A large compressed file is unpacked by its own process, and predicted by all that are free."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from random import Random

import pytest

from tests.support.fakes.async_streams import AsyncMemoryInput, AsyncMemoryOutput
from tests.support.fakes.part_process import PartProcess
from tests.unit.pool.test_large_file import (
    CONTENT,
    LINES,
    OPTIONS,
    PART,
    PART_SECONDS,
    RESERVED,
    FullDisk,
    LargeJob,
    cancel_after,
    drawn_content,
)
from worker.clock import now
from worker.errors import (
    PermanentError,
    ProcessLost,
    TooManyRejected,
    TransientError,
    Unparsable,
)
from worker.interfaces import PACKED_BYTES, PartCounts, Range, ScoreResult
from worker.pool.packed_file import RANGES_AHEAD, PackedDownload

CUT_SECONDS = 10 * PartProcess.cut_seconds  # of a part


class PackedJob(LargeJob):
    packed = True

    def __init__(self, content: bytes = CONTENT, processes: int = 2, **options: object) -> None:
        super().__init__(content, processes, packed=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("processes", [2, 3, 4])
async def test_the_output_is_the_same_for_any_number_of_processes(processes: int) -> None:
    job = PackedJob(processes=processes)
    assert await job.score() == ScoreResult(LINES, 0, PartCounts(10, 0, processes))
    job.check_output()
    assert len(job.parts) == 10
    await job.check_nothing_is_left()


async def test_the_jobs_own_process_unpacks_the_file_and_predicts_parts_too() -> None:
    job = PackedJob()
    await job.score()
    (own,) = [slot for slot in job.slots if slot.cuts]
    assert own.cuts == [*range(0, len(CONTENT), PART), len(CONTENT)]
    assert all(slot.parts for slot in job.slots)


async def test_two_processes_take_half_the_time_for_both_kinds_of_work() -> None:
    job = PackedJob()
    began = now()
    await job.score()
    work = 10 * (PART_SECONDS + CUT_SECONDS)
    assert now() - began < 0.6 * work


@pytest.mark.parametrize("fresh", [False, True])
async def test_one_process_alone_keeps_the_text_to_itself(fresh: bool) -> None:
    job = PackedJob(processes=3 if fresh else 1)
    assert await job.score(fresh=fresh) == ScoreResult(LINES, 0)
    job.check_output()
    assert not job.parts
    await job.check_nothing_is_left()


@pytest.mark.parametrize("seed", range(4))
async def test_any_file_in_any_parts_by_any_processes_gives_the_same_output(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - of examples
    for _ in range(25):
        content, part_bytes = drawn_content(random), random.randint(5, 60)
        job = PackedJob(
            content,
            random.randint(2, 5),
            part_bytes=part_bytes,
            budget_bytes=RESERVED * random.randint(1, 5) + random.choice((0, 10, 1000)),
        )
        seconds = [random.choice((0.1, 1, 5)) for _ in range(7)]
        cut_seconds = random.choice((0, 0.1, 1, 10))
        for slot in job.slots:
            slot.seconds = lambda part, seconds=seconds: seconds[part.number % 7]  # type: ignore[misc] # mypy infers no lambda with a default
            slot.cut_seconds = cut_seconds
        small = asyncio.create_task(job.score_small(random.randint(0, 3)))
        result = await job.score()
        await small
        job.check_output()
        assert result.rows + result.rejected == len(content.splitlines())
        # Beyond the budget there is the one part that is needed, as long as its longest row is.
        longest = max(map(len, content.splitlines(keepends=True)))
        assert job.budget.most <= job.budget_bytes + part_bytes + longest
        await job.check_nothing_is_left()


async def test_texts_are_unpacked_ahead_within_the_budget() -> None:
    job = PackedJob(budget_bytes=RESERVED + 3 * PART)
    for slot in job.slots:
        slot.cut_seconds = 0
    await job.score()
    assert RESERVED + PART < job.budget.most <= job.budget_bytes
    job.check_output()
    await job.check_nothing_is_left()


async def test_no_more_parts_are_unpacked_ahead_than_processes_can_take() -> None:
    job = PackedJob(processes=3, budget_bytes=1 << 30)
    for slot in job.slots:
        slot.cut_seconds = 0
        slot.seconds = lambda _: 100.0
    large = asyncio.create_task(job.score())
    await asyncio.sleep(50)
    (own,) = [slot for slot in job.slots if slot.cuts]
    assert len(own.cuts) == len(job.parts) + 3
    await large


async def test_a_job_goes_on_with_a_budget_that_has_no_bytes_left() -> None:
    job = PackedJob(budget_bytes=RESERVED)
    result = await job.score()
    assert result.parts is not None
    assert job.budget.most == RESERVED + PART
    job.check_output()
    await job.check_nothing_is_left()


async def test_nothing_is_unpacked_ahead_while_another_job_waits_for_bytes() -> None:
    job = PackedJob(budget_bytes=4 * RESERVED)
    large = asyncio.create_task(job.score())
    await asyncio.sleep(1)
    began = now()
    async with job.budget.reserve(3 * RESERVED - PART):
        assert now() - began < 5 * PART_SECONDS
        assert not large.done()
        await large
    job.check_output()
    await job.check_nothing_is_left()


async def test_a_file_that_is_damaged_fails_when_all_parts_before_are_predicted() -> None:
    lines = CONTENT.splitlines(keepends=True)
    job = PackedJob(b"".join([*lines[:45], b"damaged\n", *lines[45:]]), processes=3)
    with pytest.raises(Unparsable, match="corrupt"):
        await job.score()
    assert job.output.output.count(b"\n") == 1 + 40  # the parts before have ten lines each
    await job.check_nothing_is_left()


@pytest.mark.parametrize("processes", [2, 3, 4])
async def test_an_earlier_error_counts_before_the_damage(processes: int) -> None:
    lines = CONTENT.replace(b"row 15", b"error!").splitlines(keepends=True)
    job = PackedJob(b"".join([*lines[:45], b"damaged\n", *lines[45:]]), processes)
    with pytest.raises(Unparsable, match="line 6 of the part"):
        await job.score()
    await job.check_nothing_is_left()


async def test_too_many_rejected_rows_fail_the_file_with_their_lines() -> None:
    content, texts = CONTENT.replace(b"row 3", b"bad 3"), set()
    for processes in (2, 3, 4):
        for cut_seconds in (0, 0.25, 10):
            job = PackedJob(content, processes)
            for slot in job.slots:
                slot.cut_seconds = cut_seconds
            with pytest.raises(TooManyRejected) as error:
                await job.score(replace(OPTIONS, max_rejected=0.0))
            texts.add(str(error.value))
            await job.check_nothing_is_left()
    (text,) = texts
    assert "line 31: bad" in text


async def test_a_process_that_is_killed_while_it_unpacks_fails_the_job() -> None:
    lines = CONTENT.splitlines(keepends=True)
    job = PackedJob(b"".join([*lines[:45], b"killed\n", *lines[45:]]), processes=3)
    with pytest.raises(ProcessLost):
        await job.score()
    await job.check_nothing_is_left()


@pytest.mark.parametrize("steps", [None, *range(10)])
async def test_a_job_that_is_cancelled_leaves_nothing(steps: int | None) -> None:
    """Also if it is cancelled again after so many steps, as by a stop after its time limit."""
    job = PackedJob(processes=3)
    for seconds in (0, 1, 9.5, 15, 25):
        await cancel_after(seconds, job.score(), again_after=steps)
        job.output = AsyncMemoryOutput()
        await job.check_nothing_is_left()


async def test_an_output_that_cannot_be_written_fails_the_job() -> None:
    job = PackedJob(processes=3, output=FullDisk())
    with pytest.raises(PermanentError, match="no more"):
        await job.score()
    await job.check_nothing_is_left()


async def test_small_files_get_a_process_when_a_part_ends() -> None:
    job = PackedJob(processes=3)
    large = asyncio.create_task(job.score())
    await asyncio.sleep(1)
    ends = await asyncio.gather(*(job.score_small() for _ in range(20)))
    assert not large.done()
    assert ends[-1] < 40
    await large
    job.check_output()
    await job.check_nothing_is_left()


async def read(download: PackedDownload, ranges: Sequence[Range]) -> bytes:
    return b"".join([piece async for piece in download.read(ranges)])


async def test_what_is_behind_a_range_is_downloaded_before_it_is_asked_for() -> None:
    content = bytes(range(256)) * (PACKED_BYTES * 5 // 256) + b"end"
    reader = AsyncMemoryInput(content, first_bytes=0)
    download = PackedDownload(reader)
    starts = range(0, len(content), PACKED_BYTES)
    ranges = [(start, min(start + PACKED_BYTES, len(content))) for start in starts]
    found = b""
    for number, one in enumerate(ranges):
        found += await read(download, [one])
        assert reader.ahead == ranges[: number + 1 + RANGES_AHEAD]
    assert found == content
    assert reader.open_downloads == 0


async def test_other_ranges_are_read_as_they_come() -> None:
    reader = AsyncMemoryInput(b"0123456789", first_bytes=0)
    download = PackedDownload(reader)
    assert await read(download, [(3, 5), (0, 1)]) == b"340"
    assert (reader.asked, reader.ahead) == ([(3, 5), (0, 1)], [])


async def test_downloads_that_nobody_asked_for_are_ended() -> None:
    reader = AsyncMemoryInput(bytes(3 * PACKED_BYTES), first_bytes=0)
    download = PackedDownload(reader)
    await read(download, [(0, PACKED_BYTES)])
    assert reader.open_downloads == 2
    await download.close()
    assert reader.open_downloads == 0


class BrokenInput(AsyncMemoryInput):
    """An input of which nothing can be downloaded."""

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        if ranges:
            raise TransientError("no connection")
        yield b""


async def test_a_failed_download_fails_the_job_at_once() -> None:
    job = PackedJob()
    job.reader = BrokenInput(CONTENT, first_bytes=0)
    with pytest.raises(TransientError, match="no connection"):
        await job.score()
    await job.check_nothing_is_left()
