"""Shrinks a failing schedule: leaves out the faults that are not needed."""

from tests.search.schedule import Verdict, play

MOST_REPLAYS = 300


def shrink(verdict: Verdict) -> Verdict:
    """Return the schedule with as few faults as still break a promise.

    Leaves out ever smaller parts, as delta debugging does; each attempt is a replay.
    """
    smallest, replays = verdict, 0
    size = max(1, len(verdict.injected) // 2)
    while size and replays < MOST_REPLAYS:
        faults = list(smallest.injected)
        smaller = None
        for start in range(0, len(faults), size):
            replays += 1
            attempt = play(verdict.seed, only=faults[:start] + faults[start + size :])
            if attempt.broken and len(attempt.injected) < len(faults):
                smaller = attempt
                break
        if smaller is None:
            size //= 2
        else:
            smallest, size = smaller, min(size, max(1, len(smaller.injected) // 2))
    return smallest
