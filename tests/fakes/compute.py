"""Predictions without a model: the body in upper case."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.scored import Scored, ScoreOptions


@dataclass
class FakeCompute:
    """Implements worker.compute.Compute; a body of digits takes that many seconds."""

    running: int = 0
    most_running: int = 0
    scored: list[bytes] = field(default_factory=list)
    before: Callable[[bytes], object] | None = None
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1000))

    async def score(
        self,
        body: bytes,
        options: ScoreOptions,  # noqa: ARG002 - the seam's
        *,
        on_start: Callable[[], None],
        fresh: bool = False,  # noqa: ARG002 - the seam's
    ) -> Scored:
        async with self.slots:
            on_start()
            return await self._score(body)

    async def _score(self, body: bytes) -> Scored:
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.before is not None:
                self.before(body)
            await asyncio.sleep(int(body) if body.isdigit() else 0)
            self.scored.append(body)
            return Scored(body.upper(), 1, 0, None, "text/csv", None)
        finally:
            self.running -= 1
