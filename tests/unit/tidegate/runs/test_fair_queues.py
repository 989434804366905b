"""Files that land during a backfill: how long they wait, by the simulation in docs/backfill.md."""

import math

import pytest

from benchmarks import fair_queues
from benchmarks.backlog_simulation import HELD
from benchmarks.costs import FILES_PER_SECOND
from benchmarks.fair_queues import Simulation
from tests.support.template import ROOT
from worker.settings import Settings

PAGE = (ROOT / "docs" / "backfill.md").read_text(encoding="utf-8")
FILES = 20_000


def simulated(detection_seconds: float, *, files: int = FILES) -> Simulation:
    simulation = Simulation(1, detection_seconds, files)
    simulation.run()
    return simulation


def test_the_table_is_the_one_that_is_computed() -> None:
    computed = "\n".join(fair_queues.table())
    assert computed in PAGE, f"the table in docs/backfill.md should be\n{computed}"


def test_a_worker_holds_as_many_messages_as_by_default() -> None:
    assert Settings.model_fields["concurrency"].default * 2 == HELD


def test_without_groups_a_file_waits_for_the_rest_of_the_backfill() -> None:
    without = simulated(math.inf)

    assert without.seconds == pytest.approx(FILES / FILES_PER_SECOND, rel=0.01)
    assert without.wait(0.5) == pytest.approx(without.seconds / 2, rel=0.1)
    assert without.wait(1.0) > 0.95 * without.seconds


def test_with_groups_a_file_waits_only_until_the_backfill_is_found_noisy() -> None:
    fair = simulated(30.0)

    assert fair.wait(0.5) < 1
    assert 29 < fair.wait(1.0) < 31


def test_the_files_that_pass_are_the_only_delay_of_the_backfill() -> None:
    fair = simulated(0.0)

    assert fair.wait(1.0) < 1
    share = fair_queues.LANDINGS_PER_SECOND / FILES_PER_SECOND
    assert fair.seconds == pytest.approx(FILES / FILES_PER_SECOND / (1 - share), rel=0.02)


def test_each_file_is_predicted() -> None:
    without, fair = simulated(math.inf), simulated(30.0)

    assert len(without.waits) == pytest.approx(without.seconds * 2, rel=0.2)
    assert len(fair.waits) == pytest.approx(fair.seconds * 2, rel=0.2)
