"""The options of one run of the benchmarks: how often to measure, and how much."""

import sys
from dataclasses import dataclass

MOST_RUNS_OF_LARGE_WORK = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every scenario gets."""

    runs: int
    quick: bool

    @property
    def runs_of_large_work(self) -> int:
        """How often to measure work that takes most of a minute: its medians need fewer runs."""
        return min(self.runs, MOST_RUNS_OF_LARGE_WORK)

    def log(self, step: str) -> None:
        """Print what is being measured to standard error."""
        print(step, file=sys.stderr, flush=True)
