"""A pool process as its parent sees it, and the slot in which one process follows the other."""

import asyncio
import multiprocessing
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Self

import structlog

from worker.errors import ProcessLost, error_text
from worker.interfaces import AsyncRangeReader
from worker.pool import child, forkserver
from worker.pool.channel import Assignment, Outcome, ParentChannel
from worker.pool.child import LoadModel

log = structlog.get_logger()

Take = Callable[[object], Awaitable[None]]
"""Takes what a process sends before its outcome."""


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

    async def run(
        self, assignment: Assignment, first: bytes, reader: AsyncRangeReader, take: Take
    ) -> Outcome:
        """Return the outcome of a file or a part in this slot's process.

        Raises ProcessLost if the process dies of it, and whatever `reader` and `take` raise.
        """
        process = await self._process_for(assignment, first)
        return await process.run(reader, take)

    async def _process_for(self, assignment: Assignment, first: bytes) -> "PoolProcess":
        """Return the process that has taken the job: a new one if the old one was killed."""
        if self._process is not None and self._process.is_open:
            with suppress(ProcessLost):
                await self._process.assign(assignment, first)
                return self._process
        process = await self._start()
        await process.assign(assignment, first)
        return process

    @asynccontextmanager
    async def in_new_process(self) -> AsyncIterator[None]:
        """Run what runs in the block in a process that runs nothing else."""
        await self.close()
        try:
            yield
        finally:
            await self.close()

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

    async def assign(self, assignment: Assignment, first: bytes) -> None:
        """Give it a job with the first bytes of the file, and wait until it has taken the job.

        Raises ProcessLost if it dies first.
        """
        with self._killed_on_error("a process was killed before it took the file"):
            await self._channel.assign(assignment, first)

    async def run(self, reader: AsyncRangeReader, take: Take) -> Outcome:
        """Run the job that it has taken; raises ProcessLost if it dies of the job."""
        with self._killed_on_error("the process that worked on the file was killed"):
            return await self._channel.converse(reader, take)

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
