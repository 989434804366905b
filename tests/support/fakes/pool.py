"""A pool without processes and without a model: it predicts a body in upper case."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.fakes.async_streams import read_all
from worker.interfaces import (
    AsyncInputReader,
    AsyncOutputSink,
    OutputForm,
    ScoreOptions,
    ScoreResult,
)
from worker.pool.pool import UNLIMITED, Pool
from worker.pool.spare import SpareBytes


@dataclass
class FakePool(Pool):
    """A body of digits takes that many seconds; each "bad" in a body is a rejected row.

    An output has the Content-Encoding of its input. `before` is called with each body before its
    prediction, and may raise. `predicted` keeps the bodies that were predicted. A subclass may
    `prepare` an attempt.
    """

    running: int = 0
    most_running: int = 0
    predicted: list[bytes] = field(default_factory=list)
    before: Callable[[bytes], object] | None = None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1000))

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
        async with self.slots:
            on_start()
            await self.prepare(reader, options, output, fresh=fresh)
            await output.open(OutputForm("text/csv", None, options.content_encoding))
            body = await read_all(reader)
            predictions = await self._predict(body)
            if bad := body.count(b"bad"):
                await output.reject(b"line,reason,row\n1,bad,bad\n")
            await output.write(predictions)
            return ScoreResult(1, bad)

    async def prepare(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        *,
        fresh: bool,
    ) -> None:
        """Look at an attempt, wait, write or raise, before anything else is done for it."""

    async def _predict(self, body: bytes) -> bytes:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.before is not None:
                self.before(body)
            await asyncio.sleep(int(body) if body.isdigit() else 0)
            self.predicted.append(body)
            return body.upper()
        finally:
            self.running -= 1
