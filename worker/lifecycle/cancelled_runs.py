"""Runs that somebody has cancelled: their jobs are not begun."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from worker.clock import now
from worker.errors import AccessDenied
from worker.job import S3Uri

LOOK_SECONDS = 60.0
REMEMBERED = 32  # runs

Look = Callable[[S3Uri], Awaitable[object | None]]


@dataclass(slots=True)
class CancelledRuns:
    """Looks for the object that cancels a run, at most once a minute for each run.

    All jobs of a run wait for the first look at it. A later one delays one job alone: others go on
    with the last answer meanwhile.
    """

    _known: OrderedDict[S3Uri, tuple[float, bool]] = field(default_factory=OrderedDict)
    _first_look: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def include(self, mark: S3Uri, head: Look) -> bool:
        """Return whether the run with this mark is cancelled; raises TransientError."""
        if mark not in self._known:
            async with self._first_look:
                return await self._last_or_new(mark, head)
        return await self._last_or_new(mark, head)

    async def _last_or_new(self, mark: S3Uri, head: Look) -> bool:
        looked_at, is_cancelled = self._known.get(mark, (None, False))
        if is_cancelled or (looked_at is not None and now() - looked_at < LOOK_SECONDS):
            return is_cancelled
        if looked_at is not None:
            self._remember(mark, (now(), False))
        try:
            is_cancelled = await head(mark) is not None
        except AccessDenied:
            is_cancelled = False  # whoever may not look does not cancel
        except BaseException:
            self._known.pop(mark, None)
            raise
        # A later look may have found the mark while this one waited for its answer.
        is_cancelled = is_cancelled or self._known.get(mark, (0.0, False))[1]
        self._remember(mark, (now(), is_cancelled))
        return is_cancelled

    def _remember(self, mark: S3Uri, answer: tuple[float, bool]) -> None:
        self._known[mark] = answer
        self._known.move_to_end(mark)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
