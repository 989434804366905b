"""The line of numbers, as queries of its log and CloudWatch's embedded metric format read it."""

import asyncio
import io
import json
from typing import Any

import pytest

from worker.errors import SchemaMismatch
from worker.job import Done, S3Uri
from worker.metrics import DIMENSION, FIELDS, METRICS, Metrics

OWN = {"event", "level", "timestamp", DIMENSION}


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def metrics(stream: io.StringIO) -> Metrics:
    return Metrics("tide", stream)


def done(seconds: float = 1.0) -> Done:
    return Done(
        "predicted",
        S3Uri("out", "a.csv"),
        rows=10,
        rejected=1,
        input_bytes=300,
        output_bytes=200,
        phases={"hold": 0.1, "download": 0.2, "predict": 0.3, "upload": 0.4},
        seconds=seconds,
    )


def flushed(metrics: Metrics, stream: io.StringIO) -> dict[str, Any] | None:
    """Return the numbers of the line that a flush writes; None if it writes none."""
    stream.seek(0)
    stream.truncate()
    metrics.flush()
    text = stream.getvalue()
    if not text:
        return None
    assert text.endswith("\n")
    assert text.count("\n") == 1
    line = json.loads(text)
    assert line["event"] == "numbers"
    assert line["Stack"] == "tide"
    return {name: value for name, value in line.items() if name not in OWN}


async def test_a_thousand_files_are_one_line_and_no_metric(
    metrics: Metrics, stream: io.StringIO
) -> None:
    for _ in range(1000):
        metrics.done(done(), sent=None, settle_seconds=0.001)
    assert flushed(metrics, stream) == {
        "files": 1000,
        "rows": 10_000,
        "rejected_rows": 1000,
        "input_bytes": 300_000,
        "output_bytes": 200_000,
        "hold_seconds": 100,
        "download_seconds": 200,
        "predict_seconds": 300,
        "upload_seconds": 400,
        "settle_seconds": 1,
    }


async def test_a_line_has_what_happened_since_the_last_one(
    metrics: Metrics, stream: io.StringIO
) -> None:
    metrics.retried()
    assert flushed(metrics, stream) == {"retried": 1}
    assert flushed(metrics, stream) is None
    metrics.rejected(SchemaMismatch("no column a"))
    assert flushed(metrics, stream) == {"failed": 1}


async def test_a_file_has_waited_from_the_send_of_its_message_to_the_start_of_its_job(
    metrics: Metrics, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_000.0)
    metrics.done(done(seconds=4), sent=900.0, settle_seconds=30)  # its event waited for the bus
    metrics.done(done(seconds=4), sent=999.0, settle_seconds=0)  # the clock of SQS is ahead
    line = flushed(metrics, stream)
    assert line is not None
    assert (line["queue_seconds"], line["longest_queue_seconds"]) == (66, 66)


async def test_time_is_busy_once_however_many_jobs_run_and_is_counted_as_it_passes(
    metrics: Metrics, stream: io.StringIO
) -> None:
    with metrics.busy(), metrics.busy():
        await asyncio.sleep(60)
        assert flushed(metrics, stream) == {"busy_seconds": 60}
        await asyncio.sleep(5)
    await asyncio.sleep(100)
    assert flushed(metrics, stream) == {"busy_seconds": 5}
    assert metrics.totals["busy_seconds"] == 65


async def test_the_polls_of_an_idle_worker_write_no_line_and_are_counted_in_the_next(
    metrics: Metrics, stream: io.StringIO
) -> None:
    sent = iter((3, 7))
    metrics.count_calls(lambda: next(sent))
    metrics.loop_late(0.2)
    assert flushed(metrics, stream) is None
    metrics.call_retried()
    assert flushed(metrics, stream) == {
        "aws_calls": 7,
        "calls_retried": 1,
        "loop_lag_seconds": 0.2,
    }


async def test_in_trouble_the_line_is_metrics_too(metrics: Metrics, stream: io.StringIO) -> None:
    metrics.breaker_tripped()
    metrics.lease_lost()
    metrics.lease_lost()
    line = flushed(metrics, stream)
    assert line is not None
    (directive,) = line.pop("_aws")["CloudWatchMetrics"]
    assert directive == {
        "Namespace": "Tidegate",
        "Dimensions": [["Stack"]],
        "Metrics": [
            {"Name": "LeasesLost", "Unit": "Count"},
            {"Name": "BreakerTripped", "Unit": "Count"},
        ],
    }
    assert line == {
        "leases_lost": 2,
        "LeasesLost": 2,
        "breaker_tripped": 1,
        "BreakerTripped": 1,
    }


async def test_without_a_stream_the_totals_are_kept() -> None:
    metrics = Metrics("tide", None)
    for _ in range(2):
        metrics.done(done(), sent=None, settle_seconds=0)
        metrics.flush()
    assert metrics.totals["files"] == 2


def test_each_metric_is_of_a_field() -> None:
    assert METRICS.keys() <= set(FIELDS)
