"""The search over schedules: it finds nothing in the engine, and everything that is put into it."""

import os
import subprocess
import sys

import pytest

from tests.search.mutations import ROOT, Mutation, caught, mutated, mutations, run

STORY = """
import sys
from tests.search.schedule import play
*_, last = (play(int(seed)) for seed in sys.argv[1:])
print(last.story())
"""


@pytest.mark.parametrize("first", [0, 100, 200])
def test_every_promise_is_kept_in_a_hundred_schedules(first: int) -> None:
    searched = run(ROOT, "-m", "tests.search", "--schedules", "100", "--first", str(first))
    assert searched.returncode == 0, searched.stdout + searched.stderr
    assert "100 played" in searched.stdout


@pytest.mark.parametrize("seed", [12, 20, 44])
def test_a_schedule_replays_exactly_in_another_process_and_after_another_schedule(
    seed: int,
) -> None:
    stories = [
        subprocess.run(  # noqa: S603 - our own text
            [sys.executable, "-c", STORY, *map(str, seeds)],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed, seeds in (("1", [seed]), ("2", [0, seed]))
    ]
    assert len(stories[0].splitlines()) > 100
    assert stories[0] == stories[1]


@pytest.mark.parametrize("mutation", mutations(), ids=str)
def test_the_search_notices_that(mutation: Mutation) -> None:
    assert caught(mutation)


def test_a_failing_schedule_is_told_with_no_more_faults_than_it_takes() -> None:
    (unreleased,) = (one for one in mutations() if "was not started" in one.fault)
    seed = str(unreleased.seed)
    with mutated(unreleased) as folder:
        whole = run(folder, "-m", "tests.search", "--seed", seed)
        shrunk = run(folder, "-m", "tests.search", "--seed", seed, "--shrink")
    assert whole.returncode == shrunk.returncode == 1
    told = shrunk.stdout.splitlines()
    assert any("left message" in line for line in told)
    (count,) = (line for line in told if line.startswith(f"seed {seed}, "))
    assert int(count.split()[2]) <= 3
