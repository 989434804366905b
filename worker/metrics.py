"""The worker's numbers: a line of JSON a minute on standard output, and totals for its last line.

A custom metric of CloudWatch is billed for each hour in which it is sent, and one alone would cost
a third of the worker that is started for a lone file. So the numbers are fields of a log line,
which queries of CloudWatch Logs Insights add up. Only what no metric of AWS shows, and what comes
in trouble alone, becomes a metric: the line is in the embedded metric format then.
"""

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from worker.clock import now
from worker.job import Done

NAMESPACE = "Tidegate"
DIMENSION = "Stack"
EVENT = "numbers"
# The metrics, by the field that they take their value from.
METRICS = {"breaker_tripped": "BreakerTripped", "leases_lost": "LeasesLost"}
# The fields of a line, each of them left out if it is zero.
SUMS = (
    *("files", "rows", "rejected_rows", "input_bytes", "output_bytes"),
    *("queue_seconds", "hold_seconds", "download_seconds", "predict_seconds", "upload_seconds"),
    *("settle_seconds", "retried", "failed", "calls_retried", "leases_lost", "aws_calls"),
    "busy_seconds",
)
MAXIMA = ("longest_queue_seconds", "loop_lag_seconds", "breaker_tripped")
FIELDS = SUMS + MAXIMA
LEAST_LAG_SECONDS = 0.05  # below it is only the timer's grain


class Metrics:
    """Counts since the last line, and since the start of the worker."""

    def __init__(self, stack: str, stream: TextIO | None) -> None:
        self._stack = stack
        self._stream = stream
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._maxima: dict[str, float] = {}
        self._tripped = False
        self._in_hand = 0  # messages
        self._busy_since = 0.0
        self._requests: Callable[[], int] = lambda: 0
        self._requests_before = 0
        self.totals: defaultdict[str, float] = defaultdict(float)
        self.failures: Counter[str] = Counter()  # by the type of the error

    def count_calls(self, requests: Callable[[], int]) -> None:
        """Take the number of requests to AWS from a function that counts them since the start."""
        self._requests = requests

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count the time of the block as busy; blocks at the same time count once."""
        if not self._in_hand:
            self._busy_since = now()
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._sums["busy_seconds"] += now() - self._busy_since

    def done(self, outcome: Done, *, sent: float | None, settle_seconds: float) -> None:
        """Count a job whose output is durable; `sent` is when its message was sent, if known."""
        sums = self._sums
        sums["files"] += 1
        sums["rows"] += outcome.rows or 0
        sums["rejected_rows"] += outcome.rejected or 0
        sums["input_bytes"] += outcome.input_bytes or 0
        sums["output_bytes"] += outcome.output_bytes or 0
        for phase, seconds in outcome.phases.items():
            sums[f"{phase}_seconds"] += seconds
        sums["settle_seconds"] += settle_seconds
        if sent is not None:
            waited = max(0.0, time.time() - settle_seconds - outcome.seconds - sent)
            sums["queue_seconds"] += waited
            self._note("longest_queue_seconds", waited)

    def retried(self) -> None:
        """Count a job that will be retried."""
        self._sums["retried"] += 1

    def rejected(self, error: BaseException) -> None:
        """Count a job that has failed for good."""
        self._sums["failed"] += 1
        self.failures[type(error).__name__] += 1

    def call_retried(self) -> None:
        """Count a call that is tried again in place."""
        self._sums["calls_retried"] += 1

    def lease_lost(self) -> None:
        """Count a message that another worker may have by now."""
        self._sums["leases_lost"] += 1

    def loop_late(self, seconds: float) -> None:
        """Note how late a timer of the event loop was."""
        if seconds >= LEAST_LAG_SECONDS:
            self._note("loop_lag_seconds", seconds)

    def breaker_tripped(self) -> None:
        """Write 1 in each line from now on, and at least in the next one."""
        self._tripped = True
        self._maxima["breaker_tripped"] = 1

    def breaker_closed(self) -> None:
        """Write it no more."""
        self._tripped = False

    def flush(self) -> None:
        """Write a line, unless nothing has happened, and begin to count anew."""
        self._count_until_now()
        numbers = {
            name: round(value, 3)
            for name, value in (*self._sums.items(), *self._maxima.items())
            if round(value, 3)
        }
        # Polls and late timers of an idle worker are no news: they are in the next line.
        if numbers.keys() <= {"aws_calls", "loop_lag_seconds"}:
            return
        if self._stream is not None:
            # At once and flushed: no other writer's text may stand within a line.
            self._stream.write(json.dumps(self._line(numbers)) + "\n")
            self._stream.flush()
        for name, value in self._sums.items():
            self.totals[name] += value
        self._sums.clear()
        self._maxima.clear()

    def _count_until_now(self) -> None:
        """Count what goes on across lines."""
        if self._in_hand:
            self._sums["busy_seconds"] += now() - self._busy_since
            self._busy_since = now()
        requests = self._requests()
        self._sums["aws_calls"] += requests - self._requests_before
        self._requests_before = requests
        if self._tripped:
            self._maxima["breaker_tripped"] = 1

    def _note(self, name: str, value: float) -> None:
        self._maxima[name] = max(value, self._maxima.get(name, 0.0))

    def _line(self, numbers: Mapping[str, float]) -> dict[str, object]:
        at = time.time()
        line: dict[str, object] = {
            "event": EVENT,
            "level": "info",
            "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
            DIMENSION: self._stack,
            **numbers,
        }
        metrics = {METRICS[name]: value for name, value in numbers.items() if name in METRICS}
        if metrics:
            described = [{"Name": name, "Unit": "Count"} for name in metrics]
            directive = {"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": described}
            line |= metrics
            line["_aws"] = {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]}
        return line


def stream_for(log_format: str) -> TextIO | None:
    """Return the stream for the lines: none for console logs, which a person reads."""
    return None if log_format == "console" else sys.stdout
