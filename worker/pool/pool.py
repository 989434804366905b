"""The process pool: predictions off the event loop, one process a slot, replaced when killed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import structlog

from worker.errors import ProcessLost
from worker.interfaces import AsyncInputReader, AsyncOutputSink, ScoreOptions, ScoreResult
from worker.pool.child import Plan
from worker.pool.process import PoolProcess

log = structlog.get_logger()

CLOSE_SECONDS = 5.0  # until an idle process that does not end by itself is killed


class Compute(Protocol):
    """Turns files into predictions."""

    async def score(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        *,
        on_start: Callable[[], None],
        fresh: bool = False,
    ) -> ScoreResult:
        """Predict a file into the outlet.

        `on_start` is called when its turn has come. A `fresh` job runs in a process that has run
        nothing before it and runs nothing after it. Raises PermanentError, ProcessLost, NeedsMemory
        where `reserved_bytes` do not do, and what blob and outlet raise.
        """


class _Slot:
    """Room for one process with the model loaded.

    Each job has a process to itself while it runs: one that is killed takes no other job with it.
    """

    def __init__(self, plan: Plan, close_seconds: float) -> None:
        self._plan = plan
        self._close_seconds = close_seconds
        self._process: PoolProcess | None = None

    async def open(self) -> None:
        """Start a process, trying twice; raises ModelError or ProcessLost."""
        try:
            await self._start()
        except ProcessLost as error:
            # No message is there yet, whose backoff would be the second try.
            log.warning("a pool process is started once more", error=str(error))
            await self._start()

    async def _start(self) -> PoolProcess:
        self._process = await PoolProcess.start(self._plan)
        return self._process

    async def score(
        self, reader: AsyncInputReader, options: ScoreOptions, output: AsyncOutputSink
    ) -> ScoreResult:
        """Predict in this slot's process; raises ProcessLost when it dies of it."""
        process = await self._taking(reader, options)
        return await process.predict(reader, output)

    async def score_afresh(
        self, reader: AsyncInputReader, options: ScoreOptions, output: AsyncOutputSink
    ) -> ScoreResult:
        """Predict as `score` does, in a process that runs nothing else."""
        await self.close()
        try:
            return await self.score(reader, options, output)
        finally:
            await self.close()

    async def _taking(self, reader: AsyncInputReader, options: ScoreOptions) -> PoolProcess:
        """The process that has taken the job: a new one, if the old one was killed."""
        if self._process is not None and self._process.is_open:
            with suppress(ProcessLost):
                await self._process.take(reader, options)
                return self._process
        process = await self._start()
        await process.take(reader, options)
        return process

    async def close(self) -> None:
        """Let the process end, for a while, then kill it; the next job gets a new one."""
        process, self._process = self._process, None
        if process is not None and process.is_open:
            await process.close(self._close_seconds)


class Pool:
    """A fixed number of slots; a job waits for one that is free."""

    def __init__(self, slots: list[_Slot]) -> None:
        self._free: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()
        for slot in slots:
            self._free.put_nowait(slot)

    async def score(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        *,
        on_start: Callable[[], None] = lambda: None,
        fresh: bool = False,
    ) -> ScoreResult:
        """Predict a file in the first free slot."""
        slot = await self._free.get()
        try:
            on_start()
            score = slot.score_afresh if fresh else slot.score
            return await score(reader, options, output)
        finally:
            self._free.put_nowait(slot)


async def _start_all(slots: list[_Slot]) -> None:
    # All, before there is a message: where memory does not do for as many models, none suffers.
    try:
        async with asyncio.TaskGroup() as starts:
            for slot in slots:
                starts.create_task(slot.open())
    except ExceptionGroup as alike:
        raise alike.exceptions[0] from None


@asynccontextmanager
async def open_pool(
    plan: Plan, processes: int, *, close_seconds: float = CLOSE_SECONDS
) -> AsyncIterator[Pool]:
    """Start the processes, each with the model loaded; raises ModelError.

    Every job must have ended before the pool is closed.
    """
    slots = [_Slot(plan, close_seconds) for _ in range(processes)]
    try:
        await _start_all(slots)
        yield Pool(slots)
    finally:
        await asyncio.gather(*(slot.close() for slot in slots))
