"""Metrics for CloudWatch in its embedded metric format: bare JSON lines on standard output."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from worker.job import Done

NAMESPACE = "Tidegate"
MAX_VALUES = 100  # of one metric in one line; CloudWatch drops a line with more
UNITS = {
    "Jobs": "Count",
    "Rows": "Count",
    "RowsRejected": "Count",
    "JobsRetried": "Count",
    "JobsRejected": "Count",
    "JobSeconds": "Seconds",
    "CallsRetried": "Count",
    "BreakerTripped": "Count",
}


class Metrics:
    """Counts jobs since the last line. The queue is the only dimension: another costs money."""

    def __init__(self, queue: str, stream: TextIO | None) -> None:
        self._queue = queue
        self._stream = stream
        self._counts: Counter[str] = Counter()
        self._seconds: list[float] = []
        self._tripped = False

    def done(self, outcome: Done) -> None:
        """Count a job whose output is durable."""
        self._counts["Jobs"] += 1
        self._counts["Rows"] += outcome.rows or 0
        self._counts["RowsRejected"] += outcome.rejected or 0
        self._seconds.append(round(outcome.seconds, 3))

    def retried(self) -> None:
        """Count a job that will be retried."""
        self._counts["JobsRetried"] += 1

    def rejected(self) -> None:
        """Count a job that was rejected."""
        self._counts["JobsRejected"] += 1

    def call_retried(self) -> None:
        """Count a call that is tried again in place."""
        self._counts["CallsRetried"] += 1

    def breaker_tripped(self) -> None:
        """Count 1 in each line from now on, and at least in the next one."""
        self._tripped = True
        self._counts["BreakerTripped"] = 1

    def breaker_closed(self) -> None:
        """Count no more lines."""
        self._tripped = False

    def flush(self) -> None:
        """Write the counts, unless all are zero, and reset them.

        One line has them all. More lines follow if there are more seconds than a line may hold.
        """
        if self._tripped:
            self._counts["BreakerTripped"] = 1
        if self._stream is not None:
            lines = [json.dumps(self._line(values)) + "\n" for values in self._values() if values]
            # At once and flushed: no other writer's text may stand within a line.
            self._stream.write("".join(lines))
            self._stream.flush()
        self._counts.clear()
        self._seconds.clear()

    def _values(self) -> Iterator[dict[str, object]]:
        """Yield the values of each line; the first line has the counts."""
        for start in range(0, max(1, len(self._seconds)), MAX_VALUES):
            seconds = self._seconds[start : start + MAX_VALUES]
            values: dict[str, object] = {} if start else dict(self._counts)
            yield values | ({"JobSeconds": seconds} if seconds else {})

    def _line(self, values: dict[str, object]) -> dict[str, object]:
        described = [{"Name": name, "Unit": UNITS[name]} for name in values]
        directive = {"Namespace": NAMESPACE, "Dimensions": [["Queue"]], "Metrics": described}
        return {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
            "Queue": self._queue,
            **values,
        }


def stream_for(log_format: str) -> TextIO | None:
    """Return the stream for metrics: none for console logs, which a person reads."""
    return None if log_format == "console" else sys.stdout
