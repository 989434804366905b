"""A summary of many schedules."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tests.waking.schedule import Verdict


@dataclass
class Summary:
    """Counts, and the waits of files until a worker polled."""

    schedules: int = 0
    invocations: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    peace: list[float] = field(default_factory=list)
    trouble: list[float] = field(default_factory=list)
    longest_gap: float = 0.0
    excesses: list[int] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Add a schedule."""
        self.schedules += 1
        self.invocations += verdict.invocations
        self.faults += verdict.faults
        self.calls += verdict.calls
        (self.peace if verdict.plan.faultless else self.trouble).extend(verdict.waits)
        self.longest_gap = max(self.longest_gap, verdict.longest_gap)
        self.excesses.append(max(0, verdict.excess))

    def lines(self) -> Iterator[str]:
        """Yield the summary, line by line."""
        faults = ", ".join(f"{count:,} {kind}" for kind, count in self.faults.most_common())
        yield f"{self.invocations:,} invocations, {sum(self.faults.values()):,} faults: {faults}"
        yield f"calls: {', '.join(f'{count:,} {name}' for name, count in self.calls.most_common())}"
        yield f"a file waits for a worker, in peace:  {seconds(self.peace)}"
        yield f"                        in trouble:   {seconds(self.trouble)}"
        yield f"longest without a worker, from the last failure: {self.longest_gap:.0f} s"
        above = [excess for excess in self.excesses if excess]
        yield (
            f"more than the most tasks, at a minute's edge: in {len(above)} of {self.schedules} "
            f"schedules, by {max(above, default=0)} at most"
        )


def seconds(waits: Iterable[float]) -> str:
    """Return the percentiles of waits."""
    found = np.array(list(waits) or [np.nan])
    marks = zip(("median", "90 %", "99 %", "longest"), (50, 90, 99, 100), strict=True)
    return ", ".join(f"{name} {np.percentile(found, share):.0f} s" for name, share in marks)
