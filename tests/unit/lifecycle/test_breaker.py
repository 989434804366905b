"""The breaker: what trips and closes it, and how it probes."""

import asyncio
import io
import itertools
import json
from contextlib import suppress

import pytest
from structlog.testing import LogCapture

from worker.clock import now
from worker.errors import InfrastructureError, NoSuchInput
from worker.lifecycle.breaker import Breaker
from worker.metrics import Metrics

INPUTS = ["a", "b", "c"]


def new_breaker() -> Breaker:
    return Breaker(Metrics("q", None))


async def attempt(
    breaker: Breaker, job: str = "a", *, again: bool = False, error: Exception | None = None
) -> None:
    with await breaker.turn(job, again=again):
        if error is not None:
            raise error


async def fail(breaker: Breaker, job: str = "a", *, again: bool = True) -> None:
    with pytest.raises(InfrastructureError):
        await attempt(breaker, job, again=again, error=InfrastructureError("503"))


async def trip(breaker: Breaker) -> None:
    for number in range(10):
        await fail(breaker, INPUTS[number % 3])
    assert breaker.tripped


async def test_ten_failures_of_three_inputs_trip_it() -> None:
    breaker = new_breaker()
    for number in range(9):
        await fail(breaker, INPUTS[number % 3])
    assert not breaker.tripped
    await fail(breaker)
    assert breaker.tripped


async def test_two_inputs_do_not_trip_it() -> None:
    breaker = new_breaker()
    for number in range(100):
        await fail(breaker, INPUTS[number % 2])
    assert not breaker.tripped


async def test_a_call_that_succeeds_at_once_proves_nothing() -> None:
    breaker = new_breaker()
    for number in range(10):  # each job reads, and cannot write
        await attempt(breaker, INPUTS[number % 3])
        await fail(breaker, INPUTS[number % 3])
    assert breaker.tripped


@pytest.mark.parametrize("answer", [None, NoSuchInput("gone")])
async def test_a_call_that_had_failed_and_is_answered_counts(answer: Exception | None) -> None:
    breaker = new_breaker()
    for number in range(9):
        await fail(breaker, INPUTS[number % 3])
    with suppress(NoSuchInput):
        await attempt(breaker, again=True, error=answer)
    await fail(breaker)
    assert not breaker.tripped


async def test_a_job_that_is_done_counts() -> None:
    breaker = new_breaker()
    for number in range(9):
        await fail(breaker, INPUTS[number % 3])
    breaker.succeeded()
    await fail(breaker)
    assert not breaker.tripped


async def test_an_error_that_is_no_failure_of_aws_does_not_trip_it() -> None:
    breaker = new_breaker()
    for number in range(100):
        with pytest.raises(NoSuchInput):
            await attempt(breaker, INPUTS[number % 3], error=NoSuchInput("gone"))
    assert not breaker.tripped


async def probe_for_an_hour(breaker: Breaker, times: list[tuple[float, str]], job: str) -> None:
    while now() < 3600:
        turn = await breaker.turn(job, again=True)
        with suppress(InfrastructureError), turn:
            times.append((now(), job))
            raise InfrastructureError("503")


async def test_probes_go_one_at_a_time_turn_by_turn_with_pauses_up_to_a_minute() -> None:
    breaker, times = new_breaker(), list[tuple[float, str]]()
    await trip(breaker)
    async with asyncio.TaskGroup() as group:
        for job in INPUTS:
            group.create_task(probe_for_an_hour(breaker, times, job))
    pauses = [later - sooner for (sooner, _), (later, _) in itertools.pairwise(times)]
    assert pauses[0] <= 2
    assert 30 <= min(pauses[6:]) <= max(pauses) <= 60
    jobs = [job for _, job in times]
    assert jobs[: len(jobs) // 3 * 3] == INPUTS * (len(jobs) // 3)


async def test_the_first_success_lets_all_calls_go_within_seconds() -> None:
    breaker = new_breaker()
    await trip(breaker)
    for _ in range(10):
        await fail(breaker)
    started = now()
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(attempt(breaker, str(number), again=True))
    assert not breaker.tripped
    assert now() - started <= 63


async def test_a_first_call_as_a_probe_does_not_close_it_and_the_next_one_need_not_wait() -> None:
    breaker = new_breaker()
    await trip(breaker)
    await attempt(breaker)
    probed = now()
    assert breaker.tripped
    await attempt(breaker, "b")
    assert now() == probed


async def test_a_job_that_is_done_ends_the_wait_for_a_probe() -> None:
    breaker = new_breaker()
    await trip(breaker)
    for _ in range(10):
        await fail(breaker)
    asyncio.get_running_loop().call_later(1, breaker.succeeded)
    started = now()
    await attempt(breaker)
    assert now() - started <= 3


async def test_a_cancelled_probe_gives_its_turn_away() -> None:
    breaker = new_breaker()
    await trip(breaker)

    async def hang() -> None:
        with await breaker.turn("a", again=True):
            await asyncio.sleep(10**6)

    for wait in (0.1, 100):  # before its turn, and in its turn
        probing = asyncio.create_task(hang())
        await asyncio.sleep(wait)
        probing.cancel()
        await asyncio.wait([probing])
    await attempt(breaker, again=True)
    assert not breaker.tripped


async def test_its_clock_stands_still_while_it_is_tripped() -> None:
    breaker = new_breaker()
    await asyncio.sleep(10)
    await trip(breaker)
    await asyncio.sleep(1000)
    assert breaker.running_seconds() == 10
    breaker.succeeded()
    await asyncio.sleep(5)
    assert breaker.running_seconds() == 15


async def test_it_logs_once_when_it_trips_and_once_when_it_closes(logs: LogCapture) -> None:
    breaker = new_breaker()
    await trip(breaker)
    for _ in range(20):
        await fail(breaker)
    breaker.succeeded()
    breaker.succeeded()
    tripped, closed = logs.entries
    assert (tripped["event"], tripped["log_level"]) == ("breaker tripped", "warning")
    assert (tripped["inputs"], tripped["error"]) == (3, "503")
    assert (closed["event"], closed["log_level"]) == ("breaker closed", "info")
    assert closed["seconds"] > 60


async def test_each_line_of_metrics_shows_that_it_is_tripped() -> None:
    stream = io.StringIO()
    metrics = Metrics("q", stream)
    breaker = Breaker(metrics)
    await trip(breaker)
    metrics.flush()
    metrics.flush()
    breaker.succeeded()
    metrics.flush()
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["calls_retried"], first["BreakerTripped"]) == (10, 1)
    assert second["BreakerTripped"] == 1
    assert "calls_retried" not in second


async def test_a_short_trip_is_seen_in_the_metrics() -> None:
    stream = io.StringIO()
    metrics = Metrics("q", stream)
    breaker = Breaker(metrics)
    await trip(breaker)
    breaker.succeeded()
    metrics.flush()
    assert json.loads(stream.getvalue())["BreakerTripped"] == 1
