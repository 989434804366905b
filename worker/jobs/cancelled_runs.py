"""Runs that somebody has cancelled: their jobs are not begun."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from worker.clock import now
from worker.errors import AccessDenied
from worker.job import Job, S3Uri
from worker.jobs.output_keys import cancelled_key
from worker.storage.protocol import Head

LOOK_SECONDS = 60.0
REMEMBERED = 32  # runs


@dataclass(slots=True)
class CancelledRuns:
    """Looks for the object that cancels a run, at most once a minute for each run.

    Other jobs of the run go on with the last answer meanwhile, so that a look delays one job alone.
    """

    _known: OrderedDict[S3Uri, tuple[float, bool]] = field(default_factory=OrderedDict)

    async def include(self, job: Job, head: Callable[[S3Uri], Awaitable[Head | None]]) -> bool:
        """Return whether the job belongs to a cancelled run; raises TransientError."""
        if job.run is None:
            return False
        mark = S3Uri(job.output_bucket, cancelled_key(job))
        looked_at, is_cancelled = self._known.get(mark, (None, False))
        if is_cancelled or (looked_at is not None and now() - looked_at < LOOK_SECONDS):
            return is_cancelled
        self._remember(mark, (now(), False))
        try:
            is_cancelled = await head(mark) is not None
        except AccessDenied:
            return False  # whoever may not look does not cancel
        except BaseException:
            self._known.pop(mark, None)
            raise
        self._remember(mark, (now(), is_cancelled))
        return is_cancelled

    def _remember(self, mark: S3Uri, answer: tuple[float, bool]) -> None:
        self._known[mark] = answer
        self._known.move_to_end(mark)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
