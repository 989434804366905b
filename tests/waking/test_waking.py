"""The search over schedules finds no fault in the dispatcher, and each fault put into it."""

import subprocess
import sys

import pytest

from tests.support.mutation import Mutation
from tests.waking.mutations import MUTATIONS, caught
from tests.waking.schedule import play


@pytest.mark.parametrize("first", [0, 100, 200])
def test_every_promise_is_kept_in_a_hundred_schedules(first: int) -> None:
    broken = {seed: found for seed in range(first, first + 100) if (found := play(seed).broken)}
    assert broken == {}


def test_a_schedule_replays_exactly() -> None:
    first, again = play(7), play(7)
    assert len(first.story) > 100
    assert first.story == again.story


@pytest.mark.parametrize("mutation", MUTATIONS.all, ids=str)
def test_the_search_finds_the_mutation(mutation: Mutation) -> None:
    assert caught(mutation)


def test_the_search_prints_what_it_played() -> None:
    command = [sys.executable, "-m", "tests.waking", "--schedules", "20", "--first", "0"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own
    assert "20 played" in printed
    assert "a file waits for a worker, in peace:  median" in printed
