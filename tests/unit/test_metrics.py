"""The lines of metrics, as CloudWatch reads them."""

import io
import json
from typing import Any

from worker.job import Done, S3Uri
from worker.metrics import Metrics

MAX_VALUES = 100  # of a metric in one line, by the specification of the embedded metric format


def done(seconds: float = 1.0) -> Done:
    return Done("predicted", S3Uri("out", "a.csv"), rows=10, rejected=1, seconds=seconds)


def flushed(metrics: Metrics, stream: io.StringIO) -> list[dict[str, Any]]:
    stream.seek(0)
    stream.truncate()
    metrics.flush()
    assert not stream.getvalue() or stream.getvalue().endswith("\n")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_seconds_of_every_job_are_written_though_a_line_holds_only_a_hundred() -> None:
    stream = io.StringIO()
    metrics = Metrics("q", stream)
    for number in range(250):
        metrics.done(done(seconds=number))
    metrics.retried()
    lines = flushed(metrics, stream)
    assert [len(line["JobSeconds"]) for line in lines] == [MAX_VALUES, MAX_VALUES, 50]
    written = [seconds for line in lines for seconds in line["JobSeconds"]]
    assert sorted(written) == list(range(250))


def test_counts_are_written_once_and_every_line_describes_what_it_holds() -> None:
    stream = io.StringIO()
    metrics = Metrics("q", stream)
    for _ in range(101):
        metrics.done(done())
    first, second = flushed(metrics, stream)
    assert (first["Jobs"], first["Rows"], first["RowsRejected"]) == (101, 1010, 101)
    for line in (first, second):
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        named = {metric["Name"] for metric in directive["Metrics"]}
        assert named == line.keys() - {"_aws", "Queue"}
    assert second.keys() == {"_aws", "Queue", "JobSeconds"}


def test_counts_without_seconds_are_one_line_and_nothing_is_none() -> None:
    stream = io.StringIO()
    metrics = Metrics("q", stream)
    metrics.rejected()
    assert [line["JobsRejected"] for line in flushed(metrics, stream)] == [1]
    assert flushed(metrics, stream) == []
