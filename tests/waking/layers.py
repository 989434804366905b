"""Waits and numbers of tasks without each layer of the protocol."""

from collections.abc import Iterator, Sequence

from tests.support.mutation import mutated
from tests.waking.mutations import MUTATIONS
from tests.waking.schedule import Verdict, play
from tests.waking.summary import seconds

LAYERS = 4  # of the mutations, the first ones


def layers(seeds: Sequence[int]) -> Iterator[str]:
    """Yield broken schedules, waits and excess tasks: with all layers, and without each of them."""
    yield "with all layers:"
    yield from _played(seeds)
    for mutation in MUTATIONS.all[:LAYERS]:
        yield f"{mutation}:"
        with mutated(mutation):
            yield from _played(seeds)


def _played(seeds: Sequence[int]) -> Iterator[str]:
    verdicts = [play(seed, to_the_end=True) for seed in seeds]
    yield from (f"  {line}" for line in _lines(verdicts))


def _lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    broken = [verdict for verdict in verdicts if verdict.broken]
    yield f"{len(broken)} of {len(verdicts)} schedules break a promise"
    peace = [wait for verdict in verdicts if verdict.plan.faultless for wait in verdict.waits]
    yield f"in peace a file waits for a worker: {seconds(peace)}"
    above = [verdict.excess for verdict in verdicts if verdict.excess > 0]
    largest = max(above, default=0)
    yield f"more than the most tasks in {len(above)} schedules, by {largest} at most"
