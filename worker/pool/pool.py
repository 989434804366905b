"""The process pool: predictions outside the event loop, in a fixed number of processes."""

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Self

import structlog

from worker.errors import ProcessLost, error_text
from worker.interfaces import AsyncInputReader, AsyncOutputSink, ScoreOptions, ScoreResult
from worker.pool import child, forkserver
from worker.pool.channel import Assignment, ParentChannel
from worker.pool.child import LoadModel

log = structlog.get_logger()

CLOSE_SECONDS = 5.0  # after which an idle process that has not ended by itself is killed


class Pool:
    """A fixed number of slots; a job waits for a free one."""

    def __init__(self, slots: "list[ProcessSlot]") -> None:
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
        NeedsTypes if `found_types` are needed, and whatever `reader` and `output` raise.
        """
        slot = await self._free.get()
        try:
            on_start()
            score = slot.score_in_new_process if fresh else slot.score
            return await score(reader, options, output)
        finally:
            self._free.put_nowait(slot)


async def _start_all(slots: "list[ProcessSlot]") -> None:
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
    slots = [ProcessSlot(load_model, close_seconds) for _ in range(processes)]
    try:
        await _start_all(slots)
        yield Pool(slots)
    finally:
        await asyncio.gather(*(slot.close() for slot in slots))


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
            # At start-up no message's retry would be the second attempt.
            log.warning("pool process started again", error=str(error))
            await self._start()

    async def _start(self) -> "PoolProcess":
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

    async def _process_for(self, reader: AsyncInputReader, options: ScoreOptions) -> "PoolProcess":
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


class PoolProcess:
    """A process with the model loaded, and the channel to it.

    A cancellation, or any error half-way through an exchange, kills the process: the channel cannot
    be used after it, and nothing else would end the process.
    """

    def __init__(self, process: BaseProcess, sock: socket.socket) -> None:
        self._process = process
        self._channel = ParentChannel(sock)
        self._pid = process.pid  # the process object forgets it when it is closed
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._on_end)

    @classmethod
    async def start(cls, load_model: LoadModel) -> Self:
        """Start a process and load the model in it; raises ModelError or ProcessLost."""
        await forkserver.ready()
        process = cls(*_fork(load_model))
        with process._killed_on_error("a process was killed while it loaded the model"):
            refusal = await process._channel.receive()
            if isinstance(refusal, Exception):
                raise refusal
        return process

    @property
    def is_open(self) -> bool:
        """Whether it was neither killed nor closed, though it may have died."""
        return self._channel.is_open

    async def assign(self, reader: AsyncInputReader, options: ScoreOptions) -> None:
        """Give it a job, and wait until it has taken the job; raises ProcessLost if it dies first.

        The first bytes of the file must follow, by `predict`.
        """
        with self._killed_on_error("a process was killed before it took the file"):
            await self._channel.assign(Assignment(options, reader.size, len(reader.first)))

    async def predict(self, reader: AsyncInputReader, output: AsyncOutputSink) -> ScoreResult:
        """Predict the file of the job it has taken; raises ProcessLost if it dies of the job."""
        with self._killed_on_error("the process that worked on the file was killed"):
            outcome = await self._channel.converse(reader, output)
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, ScoreResult)
        return outcome

    @contextmanager
    def _killed_on_error(self, message: str) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError) as error:
            log.warning("pool process died", pid=self._pid)
            self.kill()
            raise ProcessLost(message) from error
        except BaseException:
            self.kill()
            raise

    async def close(self, seconds: float) -> None:
        """Let it end by itself, and kill it if it has not ended after that many seconds."""
        with suppress(OSError):
            self._channel.shut_down(socket.SHUT_WR)
        try:
            if not await self._ends_within(seconds):
                log.warning("pool process did not end, killing it", pid=self._pid)
        finally:
            self.kill()
        await self._ends_within(seconds)

    async def _ends_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        return self._ended.is_set()

    def kill(self) -> None:
        """End it at once."""
        if not self._ended.is_set():
            self._process.kill()
        self._channel.close()

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.close()
        # A child of the process may still hold the other end: the job must not wait for it.
        with suppress(OSError):
            self._channel.shut_down(socket.SHUT_RDWR)
        self._ended.set()


def _fork(load_model: LoadModel) -> tuple[BaseProcess, socket.socket]:
    """Fork a process. There is no await: a cancellation finds a known process, or none."""
    # A fork of the event loop's own process would copy the locks of its threads.
    context = multiprocessing.get_context("forkserver")
    try:
        with ExitStack() as on_error:
            ours, theirs = socket.socketpair()
            on_error.callback(ours.close)
            ours.setblocking(False)
            with theirs:
                forkserver.ensure_running()
                process = context.Process(target=child.serve, args=(theirs, load_model))
                process.start()
            on_error.pop_all()
    except (OSError, EOFError) as error:  # no free file descriptor, for example
        raise ProcessLost(f"a process cannot be started: {error_text(error)}") from error
    return process, ours
