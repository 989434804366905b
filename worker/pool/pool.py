"""The process pool: predictions outside the event loop, in a fixed number of processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from worker.errors import ProcessLost
from worker.interfaces import AsyncInputReader, AsyncOutputSink, ScoreOptions, ScoreResult
from worker.pool.child import LoadModel
from worker.pool.process import PoolProcess

log = structlog.get_logger()

CLOSE_SECONDS = 5.0  # after which an idle process that has not ended by itself is killed


class ProcessSlot:
    """Holds one process with the model loaded, which runs one job at a time.

    If the process is killed, only its own job fails, and the next job gets a new process.
    """

    def __init__(self, load_model: LoadModel, close_seconds: float) -> None:
        self._load_model = load_model
        self._close_seconds = close_seconds
        self._process: PoolProcess | None = None

    async def open(self) -> None:
        """Start a process, trying twice; raises ModelError or ProcessLost."""
        try:
            await self._start()
        except ProcessLost as error:
            # At the start there is no message whose retry would be the second attempt.
            log.warning("pool process started again", error=str(error))
            await self._start()

    async def _start(self) -> PoolProcess:
        self._process = await PoolProcess.start(self._load_model)
        return self._process

    async def score(
        self, reader: AsyncInputReader, options: ScoreOptions, output: AsyncOutputSink
    ) -> ScoreResult:
        """Predict in this slot's process; raises ProcessLost if the process dies of the job."""
        process = await self._process_for(reader, options)
        return await process.predict(reader, output)

    async def score_in_new_process(
        self, reader: AsyncInputReader, options: ScoreOptions, output: AsyncOutputSink
    ) -> ScoreResult:
        """Predict as `score` does, in a process that runs only this job."""
        await self.close()
        try:
            return await self.score(reader, options, output)
        finally:
            await self.close()

    async def _process_for(self, reader: AsyncInputReader, options: ScoreOptions) -> PoolProcess:
        """Return the process that has taken the job: a new one if the old one was killed."""
        if self._process is not None and self._process.is_open:
            with suppress(ProcessLost):
                await self._process.assign(reader, options)
                return self._process
        process = await self._start()
        await process.assign(reader, options)
        return process

    async def close(self) -> None:
        """End the process, if need be by a kill; the next job gets a new one."""
        process, self._process = self._process, None
        if process is not None and process.is_open:
            await process.close(self._close_seconds)


class Pool:
    """A fixed number of slots; a job waits for a free one."""

    def __init__(self, slots: list[ProcessSlot]) -> None:
        self._free: asyncio.LifoQueue[ProcessSlot] = asyncio.LifoQueue()
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
        """Predict a file into `output`, in the first free slot.

        `on_start` is called when a slot is free. A `fresh` job runs in a process that runs only
        this job. Raises PermanentError, ProcessLost, NeedsMemory if `reserved_bytes` are too few,
        and whatever `reader` and `output` raise.
        """
        slot = await self._free.get()
        try:
            on_start()
            score = slot.score_in_new_process if fresh else slot.score
            return await score(reader, options, output)
        finally:
            self._free.put_nowait(slot)


async def _start_all(slots: list[ProcessSlot]) -> None:
    # All of them before the first receive: if there is too little memory for so many models, no
    # message pays for it.
    try:
        async with asyncio.TaskGroup() as starts:
            for slot in slots:
                starts.create_task(slot.open())
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


@asynccontextmanager
async def open_pool(
    load_model: LoadModel, processes: int, *, close_seconds: float = CLOSE_SECONDS
) -> AsyncIterator[Pool]:
    """Start the processes, each of which loads the model; raises ModelError.

    Every job must have ended before the pool closes.
    """
    slots = [ProcessSlot(load_model, close_seconds) for _ in range(processes)]
    try:
        await _start_all(slots)
        yield Pool(slots)
    finally:
        await asyncio.gather(*(slot.close() for slot in slots))
