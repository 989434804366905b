"""What the workers of a day cost, by the times that ECS and the log streams know."""

from datetime import UTC, datetime, timedelta

import pytest

from tidegate.aws.prices import ADDRESS, SPOT, X86, X86_MEMORY, worker_hour
from tidegate.operating.tasks import Fleet, Task
from tidegate.operating.usage import Stream, Streams, cost_today

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PARAMETERS = {"TaskCpu": "2048", "TaskMemory": "4096", "Capacity": "FARGATE"}
RATE = worker_hour(2, 4)


def task(name: str, began: datetime, ended: datetime | None = None, *, spot: bool = False) -> Task:
    return Task(name, "RUNNING", began, ended, spot, ended_well=True, exit_code=None, reason="")


def dollars(live: list[Task], stopped: list[Task], streams: list[Stream]) -> float:
    fleet = Fleet(live, stopped, len(live), more=False)
    return cost_today(fleet, Streams(streams, all=True), PARAMETERS, NOW).dollars


def test_a_worker_that_runs_is_counted_until_now() -> None:
    assert dollars([task("a", NOW - HOUR)], [], []) == pytest.approx(RATE)


def test_only_the_part_of_today_counts() -> None:
    assert dollars([task("a", NOW - 20 * HOUR)], [], []) == pytest.approx(12 * RATE)
    assert dollars([], [task("a", NOW - 20 * HOUR, NOW - 14 * HOUR)], []) == 0


def test_a_task_that_ecs_has_forgotten_has_its_log_stream() -> None:
    known = task("a", NOW - HOUR, NOW)
    streams = [
        Stream("a", NOW - HOUR, NOW - HOUR / 2),
        Stream("b", NOW - 4 * HOUR, NOW - 2 * HOUR),
    ]
    assert dollars([], [known], streams) == pytest.approx(3 * RATE)


def test_a_moment_is_billed_as_a_minute() -> None:
    assert dollars([], [task("a", NOW - HOUR / 3600, NOW)], []) == pytest.approx(RATE / 60)


def test_spot_is_cheaper_but_for_the_address() -> None:
    found = dollars([task("a", NOW - HOUR, spot=True)], [], [])
    compute = 2 * X86.dollars + 4 * X86_MEMORY.dollars
    assert found == pytest.approx(compute * SPOT.dollars + ADDRESS.dollars)


def test_what_could_not_be_listed_makes_it_a_least_figure() -> None:
    fleet = Fleet([task("a", NOW - HOUR)], [], 60, more=False)
    assert cost_today(fleet, Streams([], all=True), PARAMETERS, NOW).at_least
    assert cost_today(Fleet([], [], 0, more=False), Streams([], all=False), {}, NOW).at_least
