"""The options of one run of the benchmarks: how often to measure, and how much."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every scenario gets."""

    runs: int
    quick: bool

    def log(self, step: str) -> None:
        """Print what is being measured to standard error."""
        print(step, file=sys.stderr, flush=True)
