"""The last line of a worker: what it did, what it cost, and why it left."""

from collections.abc import Mapping

import structlog

from worker.clock import now
from worker.lifecycle.stop import Stop
from worker.metrics import Metrics
from worker.service.task_cost import cost_fields

log = structlog.get_logger()


class LastLine:
    """Logs the totals of a worker that was ready; one that never was has its error instead."""

    def __init__(self, metrics: Metrics, stop: Stop, environment: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._stop = stop
        self._environment = environment
        self._ready: float | None = None

    def note_ready(self) -> None:
        """Count the seconds from now on as busy or idle."""
        self._ready = now()

    def log(self) -> None:
        """Log the line; asks ECS for the size of the task, which takes a second at most."""
        if self._ready is None:
            return
        totals, failures = self._metrics.totals, self._metrics.failures
        busy = totals["busy_seconds"]
        counts = {name: int(totals[name]) for name in ("files", "rows", "rejected_rows", "retried")}
        log.info(
            "worker left",
            reason=self._stop.reason or "failed",
            **counts,
            failed=failures.total(),
            **({"failures": dict(failures)} if failures else {}),
            busy_seconds=round(busy, 1),
            idle_seconds=round(max(0.0, now() - self._ready - busy), 1),
            **cost_fields(self._environment),
        )
