"""Everything at once, to real processes, on the local cloud: minutes of it, for a few seeds."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.chaos.run import Plan, chaos

PLAN = Plan(
    files=300,
    killer=True,
    workers=3,
    blows=18,
    feed_seconds=30,
    rough_seconds=50,
    visibility_seconds=5,
    slow_seconds=7,
    max_receives=8,
)


def test_every_output_is_as_of_a_quiet_run_and_every_poison_a_dead_letter_whatever_befalls(
    seed: int,
    cloud: Mapping[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    outcome = chaos(seed, PLAN, cloud, tmp_path)

    record_property("chaos", outcome)
    assert not outcome.problems, f"\n{outcome}\n  again: pytest tests/chaos --seed {seed}"
