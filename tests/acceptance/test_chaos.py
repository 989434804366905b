"""A short form of `make chaos`."""

from pathlib import Path

from tests.chaos.run import Plan, chaos
from tidegate.localcloud.system import System

PLAN = Plan(
    files=36,
    killer=False,
    workers=2,
    blows=4,
    feed_seconds=4,
    rough_seconds=7,
    visibility_seconds=3,
    slow_seconds=3,
    max_receives=100,  # on a slow machine leases are lost often, and each time costs a receive
)


def test_workers_that_are_stopped_paused_and_killed_on_a_bad_network_write_what_a_quiet_one_does(
    system: System, tmp_path: Path
) -> None:
    outcome = chaos(1, PLAN, system.cloud.environment(), tmp_path)

    assert not outcome.problems, f"\n{outcome}"
