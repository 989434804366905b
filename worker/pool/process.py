"""A pool process as its parent sees it: started, given jobs, ended."""

import asyncio
import multiprocessing
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.process import BaseProcess
from typing import Self

import structlog

from worker.errors import ProcessLost, error_text
from worker.interfaces import AsyncInputReader, AsyncOutputSink, ScoreOptions, ScoreResult
from worker.pool import child, forkserver
from worker.pool.child import LoadModel
from worker.pool.child_channel import Assignment
from worker.pool.parent_channel import ParentChannel

log = structlog.get_logger()


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
