"""A job with a large file, from its message to its output, on processes that predict its parts."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.part_process import PartProcess, expected, plan_of
from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud, body
from tests.unit.jobs.test_exclusive_jobs import receive_and_release
from worker.errors import NeedsMemory, NeedsTypes, TidegateError
from worker.interfaces import AsyncRangeReader, Part
from worker.job import S3Uri
from worker.pool.channel import Assignment, Outcome, PlannedPart
from worker.pool.pool import Pool
from worker.pool.process import Take

LINES = 100
CONTENT = b"".join(b"bad %d\n" % n if n % 10 == 3 else b"row %d\n" % n for n in range(LINES))
PART = 60
TRANSFER = 50  # bytes of a download or an upload
LENIENT: dict[str, Any] = {"max_rejected": 0.2}


@dataclass
class RecordingProcess(PartProcess):
    """Records each assignment; some parts need something of the job first."""

    assigned: list[Assignment] = field(default_factory=list)
    needs: dict[int, TidegateError] = field(default_factory=dict)

    async def run(
        self, assignment: Assignment, first: bytes, reader: AsyncRangeReader, take: Take
    ) -> Outcome:
        self.assigned.append(assignment)
        if isinstance(assignment.planned, PlannedPart):
            need = self.needs.get(assignment.planned.part.number)
            options = assignment.options
            if isinstance(need, NeedsTypes) and options.found_types is None:
                return need
            if isinstance(need, NeedsMemory) and options.reserved_bytes < need.size:
                return need
        return await super().run(assignment, first, reader, take)


class LargeFiles:
    """A cloud with a pool of a few processes, and one large file in it."""

    def __init__(self, processes: int = 3, **clouds: Any) -> None:  # noqa: ANN401 - passed on
        plan = plan_of(CONTENT, PART)
        self.processes = [RecordingProcess(plan) for _ in range(processes)]
        pool = cast("FakePool", Pool(list(self.processes)))  # the real one, on fake processes
        self.cloud = Cloud(pool=pool, part_bytes=TRANSFER, **clouds)
        self.cloud.submit("a.csv", CONTENT)

    @property
    def parts(self) -> list[Part]:
        return [part for process in self.processes for part in process.parts]

    def check_outputs(self) -> None:
        output, rejects = expected(CONTENT)
        assert self.cloud.outputs() == {"p/a.csv": output, "p/a.csv.rejected.csv": rejects}
        assert self.cloud.storage.uploads == 0


async def test_a_large_file_is_predicted_by_all_processes(logs: LogCapture) -> None:
    files = LargeFiles()
    await files.cloud.run_worker(**LENIENT)
    files.check_outputs()
    assert all(process.parts for process in files.processes)
    (done,) = (line for line in logs.entries if line["event"] == "job done")
    assert (done["rows"], done["rejected"]) == (90, 10)
    assert (done["parts"], done["repeated_parts"], done["processes"]) == (12, 0, 3)


async def test_no_part_is_predicted_if_the_output_is_there() -> None:
    files = LargeFiles()
    await files.cloud.run_worker(**LENIENT)
    predicted = len(files.parts)
    files.cloud.queue.send(body("a.csv"))
    await files.cloud.run_worker(**LENIENT)
    assert len(files.parts) == predicted
    assert not files.cloud.queue.messages


async def test_an_exclusive_job_uses_one_process() -> None:
    files = LargeFiles(queue=FakeQueue(max_receive_count=5))
    await receive_and_release(files.cloud.queue, 3)
    await files.cloud.run_worker(**LENIENT)
    files.check_outputs()
    assert sorted(bool(process.parts) for process in files.processes) == [False, False, True]


async def test_a_stop_within_a_large_file_leaves_nothing_and_gives_the_message_back() -> None:
    files = LargeFiles()
    async with files.cloud.running_worker(drain_seconds=10, wait_seconds=1, **LENIENT) as stop:
        await asyncio.sleep(5)
        stop.request("SIGTERM")
    assert files.parts
    assert files.cloud.storage.uploads == 0
    assert files.cloud.outputs() == {}
    assert files.cloud.queue.visible()


@pytest.mark.parametrize("need", [NeedsTypes("types"), NeedsMemory(str(10 * TRANSFER))])
async def test_what_a_later_part_needs_starts_the_file_again_with_it(need: TidegateError) -> None:
    files = LargeFiles()
    for process in files.processes:
        process.needs = {4: need}
    await files.cloud.run_worker(**LENIENT)
    files.check_outputs()
    opened = [
        assignment.options
        for process in files.processes
        for assignment in process.assigned
        if assignment.planned is None
    ]
    assert len(opened) == 2
    assert files.cloud.queue.messages == {}


async def test_each_byte_is_downloaded_by_the_version_that_was_opened() -> None:
    storage = FakeStorage()
    files = LargeFiles(storage=storage)
    newer = CONTENT.replace(b"row", b"new")

    def overwrite(name: str, uri: S3Uri) -> None:
        if name == "read" and storage.body(uri) == CONTENT:
            storage.add(uri, newer)

    storage.before = overwrite
    for process in files.processes:
        process.seconds = lambda _: 0.1
    await files.cloud.run_worker(**LENIENT)
    output, _ = expected(newer)
    assert files.cloud.outputs()["p/a.csv"] == output
