"""A pool process as its parent sees it: started, spoken to, ended."""

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
from worker.pool.child import Plan
from worker.pool.child_channel import Assignment
from worker.pool.parent_channel import ParentChannel, RangeSender

log = structlog.get_logger()


class PoolProcess:
    """A process with the model loaded, and the line to it.

    A cancellation, or anything else that breaks the conversation off, ends the process too, for
    nothing else would.
    """

    def __init__(self, process: BaseProcess, line: socket.socket) -> None:
        self._process = process
        self._line = ParentChannel(line)
        self._pid = process.pid  # which the process forgets when it is buried
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._bury)

    @classmethod
    async def start(cls, plan: Plan) -> Self:
        """Start one and load the model; raises ModelError or ProcessLost."""
        process = cls(*_forked(plan))
        with process._ended_by_errors("a process was killed while it loaded the model"):
            refusal = await process._line.hear()
            if isinstance(refusal, Exception):
                raise refusal
        return process

    @property
    def is_open(self) -> bool:
        """Whether it was neither killed nor closed, though it may have died."""
        return self._line.is_open

    async def take(self, reader: AsyncInputReader, options: ScoreOptions) -> None:
        """Give it a job, whose beginning must follow; raises ProcessLost if it does not live to."""
        with self._ended_by_errors("a process was killed before it took the file"):
            await self._line.hand_over(Assignment(options, reader.size, len(reader.first)))

    async def predict(self, reader: AsyncInputReader, output: AsyncOutputSink) -> ScoreResult:
        """Predict the file of the job it has taken; raises ProcessLost when it dies of it."""
        feed = RangeSender(reader, self._line.say_piece, self._end)
        try:
            with self._ended_by_errors("the process that worked on the file was killed"):
                outcome = await self._line.converse(feed, reader, output)
        except ProcessLost:
            if feed.failure is not None:  # which is what the process was killed for
                raise feed.failure from None
            raise
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, ScoreResult)
        return outcome

    @contextmanager
    def _ended_by_errors(self, lost: str) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError) as error:
            log.warning("a pool process died", pid=self._pid)
            self.kill()
            raise ProcessLost(lost) from error
        except BaseException:
            self.kill()
            raise

    async def close(self, seconds: float) -> None:
        """Let it end by itself, or kill it when it has not after so many seconds."""
        with suppress(OSError):
            self._line.shut_down(socket.SHUT_WR)
        try:
            if not await self._ends_within(seconds):
                log.warning("a pool process does not end and is killed", pid=self._pid)
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
        self._end()
        self._line.close()

    def _end(self) -> None:
        if not self._ended.is_set():
            self._process.kill()

    def _bury(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.close()
        # What a process of its own still holds of the line must not keep the job waiting.
        with suppress(OSError):
            self._line.shut_down(socket.SHUT_RDWR)
        self._ended.set()


def _forked(plan: Plan) -> tuple[BaseProcess, socket.socket]:
    """Fork a process, without an await: a cancellation finds one that is known, or none."""
    # A fork of the event loop's process would copy its threads' locks.
    context = multiprocessing.get_context("forkserver")
    try:
        with ExitStack() as on_error:
            line, theirs = socket.socketpair()
            on_error.callback(line.close)
            line.setblocking(False)
            with theirs:
                forkserver.ensure_running()
                process = context.Process(target=child.serve, args=(theirs, plan))
                process.start()
            on_error.pop_all()
    except (OSError, EOFError) as error:  # out of descriptors, say
        raise ProcessLost(f"a process cannot be started: {error_text(error)}") from error
    return process, line
