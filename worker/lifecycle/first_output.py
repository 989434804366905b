"""The first output of a worker: how long its file waited, once the worker was ready."""

from dataclasses import dataclass, field

import structlog

from worker import clock
from worker.job import Done

log = structlog.get_logger()


@dataclass(slots=True)
class FirstOutput:
    """Logs the first output of this worker, with the time since the worker was ready."""

    ready: float = field(default_factory=clock.now)
    logged: bool = False

    def note(self, done: Done) -> None:
        """Log the job's result if it is the first one: a worker's start counts up to here."""
        if self.logged or done.status != "predicted":
            return
        self.logged = True
        seconds = clock.now() - self.ready
        log.info(
            "first output",
            seconds=round(seconds, 3),
            message_seconds=round(seconds - done.seconds, 3),
            job_seconds=round(done.seconds, 3),
        )
