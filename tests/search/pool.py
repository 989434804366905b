"""A simulated process pool: the pool and what it does with large files are real, processes are not.

A file's content gives its duration and its outcome.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from structlog.contextvars import get_contextvars

from tests.search.contents import (
    FORM,
    LONGEST_ROW,
    PREDICTED_BYTES,
    fail,
    is_large,
    plan_of,
    predict_rows,
    predicted,
    rejects,
    row_at,
    seconds_of,
)
from worker.clock import now
from worker.errors import ProcessLost, Unparsable
from worker.interfaces import (
    AsyncInputReader,
    AsyncOutputSink,
    AsyncRangeReader,
    CutPart,
    OutputPiece,
    PartResult,
    ScoreOptions,
    ScoreResult,
)
from worker.jobs.rejected_rows import NO_REJECTS
from worker.pool.channel import Assignment, Outcome, PlannedCut, PlannedPart
from worker.pool.pool import UNLIMITED, Pool
from worker.pool.process import ProcessSlot, Take
from worker.pool.spare import SpareBytes


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What happens in a pool; the functions draw from the schedule's faults."""

    slots: int
    budget_bytes: int
    runs_exclusively: Callable[[int], bool]  # by the receive count
    next_hangs: Callable[[], bool]  # whether the next prediction never ends
    next_guess_is_wrong: Callable[[], bool]


class SimulatedPool(Pool):
    """The pool of one simulated worker."""

    def __init__(self, plan: PoolPlan) -> None:
        self.broken: list[str] = []  # promises that it saw broken
        self.predicted: list[bytes] = []  # the content of each prediction
        self.processes = Processes(plan, self.broken, self.predicted)
        self._plan = plan
        self._messages: list[str] = []  # ids of those whose jobs are in a slot
        super().__init__([SimulatedSlot(self.processes) for _ in range(plan.slots)])

    async def score(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        *,
        on_start: Callable[[], None] = lambda: None,
        fresh: bool = False,
        spare_bytes: SpareBytes = UNLIMITED,
    ) -> ScoreResult:
        if self._plan.runs_exclusively(get_contextvars()["receive_count"]) != fresh:
            self.broken.append(f"quarantine: {reader.first!r} is suspect, or is not: {fresh}")
        message_id, started = get_contextvars()["message_id"], False

        def start() -> None:
            nonlocal started
            on_start()
            if message_id in self._messages:
                self.broken.append(f"5.1: two jobs of {message_id} run at once")
            self._messages.append(message_id)
            started = True

        try:
            return await super().score(
                reader, options, output, on_start=start, fresh=fresh, spare_bytes=spare_bytes
            )
        finally:
            if started:
                self._messages.remove(message_id)

    def check_free(self) -> None:
        """Check that no job has kept a slot."""
        free = [self._slots.take_spare() for _ in range(self._plan.slots)]
        if None in free:
            self.broken.append(f"5.6: {free.count(None)} of {len(free)} slots are not given back")


class Processes:
    """The processes of a pool: what they work on, for how long, and whether they are killed."""

    def __init__(self, plan: PoolPlan, broken: list[str], done: list[bytes]) -> None:
        self.plan = plan
        self.broken = broken
        self.predicted = done
        self._running: dict[asyncio.Future[bool], bool] = {}  # whether it must run alone
        self._ends: dict[asyncio.Future[bool], float] = {}

    def next_end(self) -> float:
        """Return when the next prediction ends; now if none is under way that does."""
        return min(self._ends.values(), default=now())

    def kill_one(self) -> None:
        """Kill a process that predicts, if there is one."""
        for process in self._running:
            if not process.done():
                process.set_result(False)
                return

    async def work(self, seconds: float, what: bytes, *, alone: bool, hangs: bool = False) -> None:
        """Work for so long; raises ProcessLost if the process is killed meanwhile."""
        if self._running and (alone or any(self._running.values())):
            self.broken.append(f"quarantine: {what!r} did not run alone")
        loop = asyncio.get_running_loop()
        process: asyncio.Future[bool] = loop.create_future()
        ends_at = now() + seconds
        self._running[process] = alone
        if not hangs:
            self._ends[process] = ends_at
            loop.call_at(ends_at, _finish, process)
        try:
            alive = await process
        finally:
            del self._running[process]
            self._ends.pop(process, None)
        if not alive:
            raise ProcessLost("killed")


def _finish(process: asyncio.Future[bool]) -> None:
    if not process.done():
        process.set_result(True)


class SimulatedSlot(ProcessSlot):
    """A slot whose process predicts a file, or a part of one, or cuts a part."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._is_busy = False

    async def close(self) -> None:
        """Do nothing: there is no process."""

    async def run(
        self, assignment: Assignment, first: bytes, reader: AsyncRangeReader, take: Take
    ) -> Outcome:
        if self._is_busy:
            self._processes.broken.append(f"5.6: a process has two jobs at once: {assignment}")
        self._is_busy = True
        try:
            match assignment.planned:
                case PlannedCut() as cut:
                    return await self._cut(cut, assignment, reader, take)
                case PlannedPart() as part:
                    return await self._predict_part(part, assignment, first, reader, take)
            if is_large(first) and assignment.size > len(first):
                plan = plan_of(first, assignment.size)
                if not (plan.is_packed and assignment.alone):
                    return plan
            return await self._predict_file(assignment, first, reader, take)
        except Unparsable as error:
            return error
        finally:
            self._is_busy = False

    async def _predict_file(
        self, assignment: Assignment, first: bytes, reader: AsyncRangeReader, take: Take
    ) -> ScoreResult:
        await take(FORM)
        body = first + await _read(reader, len(first), assignment.size)
        hangs = self._processes.plan.next_hangs()
        await self._work(seconds_of(body), body, assignment, hangs=hangs)
        fail(body.split()[0])
        self._processes.predicted.append(body)
        rejected = rejects(body, assignment.options.encoding)
        if is_bad := rejected != NO_REJECTS:
            await take(OutputPiece(rejected, rejects=True))
        await take(OutputPiece(predicted(body, assignment.options.encoding), rejects=False))
        return ScoreResult(1, int(is_bad))

    async def _cut(
        self, cut: PlannedCut, assignment: Assignment, reader: AsyncRangeReader, take: Take
    ) -> CutPart:
        """Write the rows of the next part of a compressed file; its bytes are those of its text."""
        text = await _read(reader, 0, assignment.size)
        stop = row_at(text, (cut.start // PREDICTED_BYTES + 1) * PREDICTED_BYTES)
        stop = max(cut.start, min(stop, len(text)))
        await self._work(seconds_of(cut.plan.state), b"a cut", assignment)
        if cut.start < stop:
            await take(OutputPiece(text[cut.start : stop], rejects=False))
        return CutPart(stop)

    async def _predict_part(
        self,
        planned: PlannedPart,
        assignment: Assignment,
        first: bytes,
        reader: AsyncRangeReader,
        take: Take,
    ) -> Outcome:
        part, plan = planned.part, planned.plan
        hangs, seconds = self._processes.plan.next_hangs(), seconds_of(plan.state)
        if plan.is_packed:
            assert part.begin is not None
            begin, text = part.begin.offset, first
        else:
            begin, text = await self._rows_of_part(planned, assignment.size, reader)
        rows = text.splitlines(keepends=True)
        for message in predict_rows(rows, begin, plan, assignment.options.encoding):
            await self._work(seconds, b"a part", assignment, hangs=hangs)
            hangs = False
            if isinstance(message, PartResult):
                return message
            await take(message)
        raise AssertionError

    async def _rows_of_part(
        self, planned: PlannedPart, size: int, reader: AsyncRangeReader
    ) -> tuple[int, bytes]:
        """Return where the first row of a part begins, by a guess perhaps, and all its rows."""
        part, starts = planned.part, planned.plan.starts
        start, stop = starts[part.number], [*starts[part.number + 1 :], size][0]
        before = max(0, start - 1)
        text = await _read(reader, before, min(size, stop + LONGEST_ROW))
        begin = row_at(text, start - before) if part.begin is None else part.begin.offset - before
        if part.begin is None and self._processes.plan.next_guess_is_wrong():
            if part.number % 2:
                raise Unparsable("no row begins here")
            begin = row_at(text, begin + 1)
        return before + begin, text[begin : row_at(text, stop - before)]

    async def _work(
        self, seconds: float, what: bytes, assignment: Assignment, *, hangs: bool = False
    ) -> None:
        # A suspect that others kept waiting for too long runs beside them.
        alone = assignment.options.reserved_bytes == self._processes.plan.budget_bytes
        await self._processes.work(seconds, what, alone=alone, hangs=hangs)


async def _read(reader: AsyncRangeReader, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in reader.read([(start, stop)])])
