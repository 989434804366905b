"""What a scenario is told: how often to measure, and how much."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """The wishes of whoever runs the benchmarks."""

    runs: int
    quick: bool

    def tell(self, doing: str) -> None:
        """Say what is being done, to whoever waits."""
        print(doing, file=sys.stderr, flush=True)
