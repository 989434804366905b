"""The search over schedules finds no fault in the engine, and each fault put into it."""

import os
import subprocess
import sys

import pytest

from tests.search.all_mutations import MUTATIONS
from tests.search.mutations import ROOT, caught, run
from tests.support.mutation import Mutation

STORY = """
import sys
from tests.search.schedule import play
*_, last = (play(int(seed)) for seed in sys.argv[1:])
print(last.story())
"""


def test_every_promise_is_kept_in_three_hundred_schedules() -> None:
    searched = run("-m", "tests.search", "--schedules", "300", "--first", "0")
    assert searched.returncode == 0, searched.stdout + searched.stderr
    assert "300 played" in searched.stdout


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


@pytest.mark.parametrize("mutation", MUTATIONS.all, ids=str)
def test_the_search_finds_the_mutation(mutation: Mutation) -> None:
    assert caught(mutation)


def test_a_failing_schedule_is_shrunk_to_the_faults_that_it_needs() -> None:
    mutation = MUTATIONS.named("messages that were not started are not released")
    seed = str(mutation.seed)
    replay = ("-m", "tests.search", "--fault", mutation.fault, "--seed", seed)
    whole, shrunk = run(*replay), run(*replay, "--shrink")
    assert whole.returncode == shrunk.returncode == 1
    lines = shrunk.stdout.splitlines()
    assert any("left message" in line for line in lines)
    (count,) = (line for line in lines if line.startswith(f"seed {seed}, "))
    assert int(count.split()[2]) <= 3
