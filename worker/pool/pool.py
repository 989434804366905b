"""The process pool: predictions outside the event loop, in a fixed number of processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from worker.errors import TidegateError
from worker.interfaces import (
    AsyncInputReader,
    AsyncOutputSink,
    FilePlan,
    OutputForm,
    OutputPiece,
    ScoreOptions,
    ScoreResult,
)
from worker.pool.channel import Assignment
from worker.pool.child import LoadModel
from worker.pool.freed_memory import keep_freed_memory
from worker.pool.large_file import LargeFile
from worker.pool.packed_file import PackedDownload
from worker.pool.process import ProcessSlot
from worker.pool.slots import Slots
from worker.pool.spare import Spare, SpareBytes, UnlimitedBytes

UNLIMITED = UnlimitedBytes()
CLOSE_SECONDS = 5.0  # after which an idle process that has not ended by itself is killed


class Pool:
    """A fixed number of slots; a job waits for a free one."""

    def __init__(self, slots: list[ProcessSlot]) -> None:
        self._slots = Slots(slots)
        self._has_one = len(slots) == 1

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
        """Predict a file into `output`, in the first free slot.

        `on_start` is called when a slot is free. Free slots help with a large file, as far as there
        are `spare_bytes` for that. A `fresh` job runs in one process, which runs only this job.
        Raises PermanentError, ProcessLost, NeedsMemory if `reserved_bytes` are too few, NeedsTypes
        if `found_types` are needed, and whatever `reader` and `output` raise.
        """
        slot = await self._slots.take()
        try:
            on_start()
            if not fresh:
                spare = Spare(self._slots, spare_bytes)
                return await _score(slot, reader, options, output, spare, alone=self._has_one)
            async with slot.in_new_process():
                spare = Spare(Slots([]), spare_bytes)
                return await _score(slot, reader, options, output, spare, alone=True)
        finally:
            self._slots.give_back(slot)


async def _score(
    slot: ProcessSlot,
    reader: AsyncInputReader,
    options: ScoreOptions,
    output: AsyncOutputSink,
    spare: Spare,
    *,
    alone: bool,
) -> ScoreResult:
    assignment = Assignment(options, reader.size, len(reader.first), alone=alone)
    download = PackedDownload(reader)
    try:
        outcome = await slot.run(assignment, reader.first, download, partial(_write, output))
    finally:
        await download.close()
    if isinstance(outcome, TidegateError):
        raise outcome
    if isinstance(outcome, FilePlan):
        await output.open(outcome.form)
        return await LargeFile(outcome, reader, options, output, spare).score(slot)
    assert isinstance(outcome, ScoreResult)
    return outcome


async def _write(output: AsyncOutputSink, message: object) -> None:
    """Write what a process sends about a whole file."""
    match message:
        case OutputForm():
            await output.open(message)
        case OutputPiece(data, rejects=False):
            await output.write(data)
        case OutputPiece(data):
            await output.reject(data)
        case _:
            raise AssertionError(f"a pool process sent {message!r}")


async def _start_all(slots: list[ProcessSlot]) -> None:
    # All of them before the first receive: if the memory is too small for so many models, the
    # worker fails before it holds a message.
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
    keep_freed_memory()  # all bytes of the files pass this process
    slots = [ProcessSlot(load_model, close_seconds) for _ in range(processes)]
    try:
        await _start_all(slots)
        yield Pool(slots)
    finally:
        await asyncio.gather(*(slot.close() for slot in slots))
