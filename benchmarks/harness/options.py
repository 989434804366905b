"""The options of one run of the benchmarks: how often to measure, and how much."""

import sys
from dataclasses import dataclass

FEW_RUNS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every scenario gets."""

    runs: int
    quick: bool

    @property
    def few_runs(self) -> int:
        """How often to measure long work, and opponents whose place is clear."""
        return min(self.runs, FEW_RUNS)

    def log(self, step: str) -> None:
        """Print what is being measured to standard error."""
        print(step, file=sys.stderr, flush=True)
