"""A simulated process pool: a file's content gives its duration and its outcome."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from structlog.contextvars import get_contextvars

from tests.search.plan import BAD_ROWS, LENIENT
from tests.support.fakes.async_streams import read_all
from worker.clock import now
from worker.errors import ProcessLost, Unparsable
from worker.interfaces import (
    AsyncInputReader,
    AsyncOutputSink,
    OutputForm,
    ScoreOptions,
    ScoreResult,
)
from worker.jobs.rejected_rows import NO_REJECTS
from worker.pool.pool import UNLIMITED, Pool
from worker.pool.spare import SpareBytes


def predicted(content: bytes, encoding: str) -> bytes:
    """Return the output of a file that is read in this encoding."""
    return b"predicted, %s: " % encoding.encode() + content


def rejects(content: bytes, encoding: str) -> bytes:
    """Return the file of rejected rows of a file; it is left out if it holds none."""
    if not content.endswith(BAD_ROWS) or encoding == LENIENT:
        return NO_REJECTS
    return b"rejected, %s: " % encoding.encode() + content


@dataclass
class SimulatedPool(Pool):
    """The pool of one simulated worker."""

    slots: asyncio.Semaphore
    runs_exclusively: Callable[[int], bool]  # by the receive count
    next_hangs: Callable[[], bool]  # whether the next prediction never ends
    broken: list[str] = field(default_factory=list)  # promises that it saw broken
    predicted: list[bytes] = field(default_factory=list)  # the content of each prediction
    _running: dict[asyncio.Future[bool], bool] = field(default_factory=dict)
    _ends: dict[asyncio.Future[bool], float] = field(default_factory=dict)
    _messages: list[str] = field(default_factory=list)  # ids of those whose jobs are in a slot

    def next_end(self) -> float:
        """Return when the next prediction ends; now if none is under way that does."""
        return min(self._ends.values(), default=now())

    async def score(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        *,
        on_start: Callable[[], None] = lambda: None,
        fresh: bool = False,
        spare_bytes: SpareBytes = UNLIMITED,  # noqa: ARG002 - it has no large files
    ) -> ScoreResult:
        if self.runs_exclusively(get_contextvars()["receive_count"]) != fresh:
            self.broken.append(f"quarantine: {reader.first!r} is suspect, or is not: {fresh}")
        # A suspect that others kept waiting for too long runs beside them.
        alone = fresh and options.reserved_bytes == options.memory_bytes
        async with self.slots, self._one_job_for_its_message():
            on_start()
            await output.open(OutputForm("text/csv", None))
            body = await read_all(reader)
            await self._predict(body, alone=alone)
            rejected = rejects(body, options.encoding)
            if is_bad := rejected != NO_REJECTS:
                await output.reject(rejected)
            await output.write(predicted(body, options.encoding))
            return ScoreResult(1, int(is_bad))

    def kill_one(self) -> None:
        """Kill a process that predicts, if there is one."""
        for process in self._running:
            if not process.done():
                process.set_result(False)
                return

    @asynccontextmanager
    async def _one_job_for_its_message(self) -> AsyncIterator[None]:
        message_id = get_contextvars()["message_id"]
        if message_id in self._messages:
            self.broken.append(f"5.1: two jobs of {message_id} run at once")
        self._messages.append(message_id)
        try:
            yield
        finally:
            self._messages.remove(message_id)

    async def _predict(self, body: bytes, *, alone: bool) -> None:
        if self._running and (alone or any(self._running.values())):
            self.broken.append(f"quarantine: {body!r} did not run alone")
        loop = asyncio.get_running_loop()
        process: asyncio.Future[bool] = loop.create_future()
        kind, text, *_ = body.split()
        ends_at = now() + float(text)
        self._running[process] = alone
        if not self.next_hangs():
            self._ends[process] = ends_at
            loop.call_at(ends_at, _finish, process)
        try:
            alive = await process
        finally:
            del self._running[process]
            self._ends.pop(process, None)
        if not alive or kind == b"killer":
            raise ProcessLost("killed")
        if kind == b"poison":
            raise Unparsable("not a table")
        self.predicted.append(body)


def _finish(process: asyncio.Future[bool]) -> None:
    if not process.done():
        process.set_result(True)
