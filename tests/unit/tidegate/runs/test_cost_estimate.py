"""What a run is foretold to cost: the time for which its workers will be billed."""

import pytest

from tidegate.runs.cost import Estimate

SECONDS = {"TaskCpu": "1024", "TaskMemory": "4096", "MaxTasks": "1"}


def compute_seconds(files: int, **parameters: str) -> float:
    """Return how long the workers are billed, by what the same run costs with nothing to wait for.

    A worker that is idle for 65 s longer costs exactly that much more.
    """
    dollars = Estimate.of(files, 0, SECONDS | parameters).dollars
    short = Estimate.of(files, 0, SECONDS | {"IdleSeconds": "35"}).dollars
    second = (Estimate.of(files, 0, SECONDS | {"IdleSeconds": "100"}).dollars - short) / 65
    return (dollars - short) / second + 30 + 35 + 5


def test_a_file_alone_keeps_its_worker_for_half_a_minute_longer() -> None:
    assert compute_seconds(1) == pytest.approx(30 + 30 + 5)


def test_many_files_keep_it_for_a_minute_longer() -> None:
    assert compute_seconds(50) == pytest.approx(30 + 60 + 5)


def test_an_idle_time_that_is_set_holds_for_one_and_for_many() -> None:
    for files in (1, 50):
        assert compute_seconds(files, IdleSeconds="90.5") == pytest.approx(30 + 90.5 + 5)


def test_at_least_a_minute_is_billed() -> None:
    assert compute_seconds(1, IdleSeconds="0") == pytest.approx(60, abs=0.1)
