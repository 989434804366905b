"""Predictions without a model: the body in upper case."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.fakes.async_streams import whole
from worker.interfaces import (
    AsyncInputReader,
    AsyncOutputSink,
    OutputForm,
    ScoreOptions,
    ScoreResult,
)
from worker.pool.pool import Pool


@dataclass
class FakePool(Pool):
    """A body of digits takes that many seconds, and "bad" in it is a rejected row."""

    running: int = 0
    most_running: int = 0
    scored: list[bytes] = field(default_factory=list)
    before: Callable[[bytes], object] | None = None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1000))

    async def score(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,  # noqa: ARG002 - the seam's
        output: AsyncOutputSink,
        *,
        on_start: Callable[[], None] = lambda: None,
        fresh: bool = False,  # noqa: ARG002 - the seam's
    ) -> ScoreResult:
        async with self.slots:
            on_start()
            await output.open(OutputForm("text/csv", None))
            body = await whole(reader)
            predicted = await self._predicted(body)
            if bad := body.count(b"bad"):
                await output.reject(b"line,reason,row\n1,bad,bad\n")
            await output.write(predicted)
            return ScoreResult(1, bad)

    async def _predicted(self, body: bytes) -> bytes:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.before is not None:
                self.before(body)
            await asyncio.sleep(int(body) if body.isdigit() else 0)
            self.scored.append(body)
            return body.upper()
        finally:
            self.running -= 1
