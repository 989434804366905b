"""The numbers of a worker as it runs, and its last line."""

import asyncio
import io
import json
from collections.abc import Sequence
from typing import Any

from structlog.testing import capture_logs

from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.worker import Cloud
from worker.clock import now
from worker.lifecycle.stop import Stop
from worker.metrics import Metrics
from worker.queue.sqs import EntryResult
from worker.service.last_line import LastLine

SECONDS = b"7"  # of a prediction by the fake pool


async def last_line_of(cloud: Cloud, stop: Stop | None = None) -> dict[str, Any]:
    """Run a worker on the cloud as `python -m worker` does; return the fields of its last line."""
    stop = stop or Stop()
    last_line = LastLine(cloud.metrics, stop, {})
    last_line.note_ready()
    await cloud.run_worker(stop)
    with capture_logs() as lines:
        last_line.log()
    (line,) = lines
    return dict(line)


async def test_a_worker_says_what_it_did_how_long_it_was_busy_and_why_it_left() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", SECONDS)
    cloud.submit("b.csv", SECONDS)
    cloud.queue.send("nonsense")

    line = await last_line_of(cloud)

    assert line.pop("idle_seconds") == round(now() - 7, 1)
    assert line == {
        "event": "worker left",
        "log_level": "info",
        "reason": "idle",
        "files": 2,
        "rows": 2,
        "rejected_rows": 0,
        "retried": 0,
        "failed": 1,
        "failures": {"UnreadableBody": 1},
        "busy_seconds": 7,
        "dollars": "unknown",
    }


async def test_a_worker_that_did_nothing_says_so() -> None:
    line = await last_line_of(Cloud())

    assert (line["files"], line["failed"], line["busy_seconds"]) == (0, 0, 0)
    assert "failures" not in line


async def test_a_failure_is_the_reason() -> None:
    stop = Stop()
    stop.request("failed: the queue is gone")

    assert (await last_line_of(Cloud(), stop))["reason"] == "failed: the queue is gone"


async def test_a_worker_that_was_never_ready_has_no_last_line() -> None:
    with capture_logs() as lines:
        LastLine(Metrics("tide", None), Stop(), {}).log()
    assert lines == []


async def numbers_of(cloud: Cloud) -> list[dict[str, Any]]:
    """Run a worker on the cloud, and return its lines of numbers."""
    written = io.StringIO()
    cloud.metrics = Metrics("tide", written)
    await cloud.run_worker()
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_a_worker_writes_its_numbers_once_a_minute_and_at_its_end() -> None:
    cloud = Cloud()
    cloud.submit("a.csv", SECONDS)
    asyncio.get_running_loop().call_later(20, cloud.submit, "b.csv", b"bad")

    first, *rest = await numbers_of(cloud)

    assert rest == []
    assert (first["files"], first["rows"]) == (2, 2)
    assert first["predict_seconds"] == 7
    assert first["busy_seconds"] == 7
    assert first["input_bytes"] == len(SECONDS) + len(b"bad")
    assert first["output_bytes"] > 0


async def test_time_in_which_a_job_waits_for_a_process_is_held_and_not_predicted() -> None:
    cloud = Cloud()
    cloud.pool.slots = asyncio.Semaphore(1)
    cloud.submit("a.csv", SECONDS)
    cloud.submit("b.csv", SECONDS)

    (line,) = await numbers_of(cloud)

    assert (line["predict_seconds"], line["hold_seconds"]) == (14, 7)


class LosingQueue(FakeQueue):
    """Refuses every heartbeat."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        return [EntryResult.REFUSED] * len(changes)


async def test_each_lost_lease_is_counted_once() -> None:
    cloud = Cloud(queue=LosingQueue())
    cloud.submit("a.csv", b"25")

    with capture_logs() as logs:
        lines = await numbers_of(cloud)

    lost = sum(line["event"] == "lease lost" for line in logs)
    assert lost
    assert sum(line.get("leases_lost", 0) for line in lines) == lost
    assert sum(line.get("LeasesLost", 0) for line in lines) == lost
