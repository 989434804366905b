"""Predictions without a model: the body in upper case."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.fakes.async_blob import whole
from worker.interfaces import AsyncBlob, AsyncOutlet, OutputForm, Scored, ScoreOptions


@dataclass
class FakeCompute:
    """Implements worker.pool.pool.Compute; digits take that many seconds, "bad" is rejected."""

    running: int = 0
    most_running: int = 0
    scored: list[bytes] = field(default_factory=list)
    before: Callable[[bytes], object] | None = None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1000))

    async def score(
        self,
        blob: AsyncBlob,
        options: ScoreOptions,  # noqa: ARG002 - the seam's
        outlet: AsyncOutlet,
        *,
        on_start: Callable[[], None],
        fresh: bool = False,  # noqa: ARG002 - the seam's
    ) -> Scored:
        async with self.slots:
            on_start()
            await outlet.open(OutputForm("text/csv", None))
            body = await whole(blob)
            predicted = await self._predicted(body)
            if bad := body.count(b"bad"):
                await outlet.reject(b"line,reason,row\n1,bad,bad\n")
            await outlet.write(predicted)
            return Scored(1, bad)

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
