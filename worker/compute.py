"""The process pool: predictions off the event loop, one process a slot, rebuilt when killed."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from typing import Protocol

import structlog

from worker import child
from worker.child import ModelPlan
from worker.errors import ComputeLost
from worker.scored import Scored, ScoreOptions

log = structlog.get_logger()


class Compute(Protocol):
    """Turns a file's bytes into predictions."""

    async def score(
        self, body: bytes, options: ScoreOptions, *, on_start: Callable[[], None]
    ) -> Scored:
        """Predict a file; raises PermanentError or ComputeLost.

        `on_start` is called when its turn has come.
        """


class _Slot:
    """One process with the model loaded, and the executor around it.

    An executor of its own, because a killed process breaks its whole executor: this way it takes
    nobody's job but its own with it.
    """

    def __init__(self, plan: ModelPlan) -> None:
        self._plan = plan
        self._executor: ProcessPoolExecutor | None = None
        self._pid = 0

    async def start(self) -> ProcessPoolExecutor:
        """Start the process and load the model, unless that is done; raises ModelError."""
        if self._executor is None:
            # A fork of the event loop's process would copy its threads' locks.
            _start_forkserver()
            context = multiprocessing.get_context("forkserver")
            executor = self._executor = ProcessPoolExecutor(1, mp_context=context)
            loop = asyncio.get_running_loop()
            try:
                self._pid = await loop.run_in_executor(executor, child.prepare, self._plan)
            except BrokenProcessPool as error:
                self.kill()
                raise ComputeLost("a process was killed while it loaded the model") from error
            except BaseException:
                self.kill()
                raise
        return self._executor

    async def score(self, body: bytes, options: ScoreOptions) -> Scored:
        """Predict in this slot's process; raises ComputeLost when it dies of it."""
        executor = await self.start()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(executor, child.score, body, options)
        except BrokenProcessPool as error:
            log.warning("a pool process died", pid=self._pid)
            self.kill()
            raise ComputeLost("the process that worked on the file was killed") from error
        except asyncio.CancelledError:
            # Nothing else ends a prediction under way, and the slot must not stay taken.
            self.kill()
            raise

    def kill(self) -> None:
        """End the process at once; the next job gets a new one."""
        if self._executor is not None:
            if self._pid:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor, self._pid = None, 0

    async def close(self) -> None:
        """Let the process end by itself."""
        if self._executor is not None:
            await asyncio.to_thread(self._executor.shutdown)


class Pool:
    """A fixed number of slots; a job waits for one that is free."""

    def __init__(self, slots: list[_Slot]) -> None:
        self._free: asyncio.LifoQueue[_Slot] = asyncio.LifoQueue()
        for slot in slots:
            self._free.put_nowait(slot)

    async def score(
        self, body: bytes, options: ScoreOptions, *, on_start: Callable[[], None] = lambda: None
    ) -> Scored:
        """Predict a file in the first free slot; raises PermanentError or ComputeLost."""
        slot = await self._free.get()
        try:
            on_start()
            return await slot.score(body, options)
        finally:
            self._free.put_nowait(slot)


def _start_forkserver() -> None:
    """Start what forks the processes, deaf to stop signals, which a whole group may be sent."""
    resource_tracker.ensure_running()  # first, as it lifts the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@asynccontextmanager
async def open_pool(plan: ModelPlan, processes: int) -> AsyncIterator[Pool]:
    """Start the processes, each with the model loaded; raises ModelError."""
    multiprocessing.set_forkserver_preload([])
    slots = [_Slot(plan) for _ in range(processes)]
    try:
        await asyncio.gather(*(slot.start() for slot in slots))
        yield Pool(slots)
    finally:
        await asyncio.gather(*(slot.close() for slot in slots))
