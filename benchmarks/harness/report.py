"""The results: rows of a table, targets that were met or missed, and series for the plots."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness.drain import DrainResult

MB = 1_000_000
BUDGET_MINUTES = 40  # for all scenarios with five runs, on two cores
TABLE = (
    "| work | who | runs | CPU s | wall s | peak MB | AWS calls | |\n"
    "|---|---|--:|--:|--:|--:|--:|---|"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What one contender used for one kind of work: medians of its runs; 0 is not measured."""

    work: str
    who: str
    runs: int
    cpu_seconds: float
    wall_seconds: float
    peak_mb: float | None = None
    calls: int | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        work: str,
        who: str,
        runs: Sequence[DrainResult],
        figures: Mapping[str, float] | None = None,
        calls: int | None = None,
    ) -> "Row":
        """Make a row from the medians of some runs."""
        return cls(
            work,
            who,
            len(runs),
            cpu_seconds=median(run.cpu_seconds for run in runs),
            wall_seconds=median(run.wall_seconds for run in runs),
            peak_mb=median(run.peak_bytes for run in runs) / MB,
            calls=calls,
            figures=figures or {},
        )

    def __str__(self) -> str:
        peak = "" if self.peak_mb is None else f"{self.peak_mb:.0f}"
        calls = "" if self.calls is None else f"{self.calls}"
        notes = " · ".join(f"{value:.3g} {name}" for name, value in self.figures.items())
        seconds = " | ".join(
            f"{seconds:.2f}" if seconds else "" for seconds in (self.cpu_seconds, self.wall_seconds)
        )
        return (
            f"| {self.work} | {self.who} | {self.runs} | {seconds} | {peak} | {calls} | {notes} |"
        )


@dataclass(frozen=True, slots=True)
class Target:
    """A target and the value that was measured."""

    text: str
    value: float
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool:
        """Whether the target was met."""
        return (self.most is None or self.value <= self.most) and (
            self.least is None or self.value >= self.least
        )

    def __str__(self) -> str:
        bound = (
            f"at most {self.most:.3g}" if self.most is not None else f"at least {self.least:.3g}"
        )
        return (
            f"| {'met' if self.met else '**missed**'} | {self.text} | {self.value:.3g} | {bound} |"
        )


@dataclass(slots=True)
class Report:
    """All results of one run of the benchmarks."""

    rows: list[Row] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    """Figures that are drawn and are in no table."""
    minutes: dict[str, float] = field(default_factory=dict)
    """How long each scenario took."""

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table, then those of the targets."""
        yield TABLE
        yield from map(str, self.rows)
        yield ""
        yield "| | target | measured | |\n|---|---|--:|---|"
        yield from map(str, self.targets)
        yield ""
        met = sum(target.met for target in self.targets)
        taken = ", ".join(f"{name} {minutes:.1f}" for name, minutes in self.minutes.items())
        yield (
            f"{met} of {len(self.targets)} targets are met. The run took "
            f"{sum(self.minutes.values()):.0f} minutes, of at most {BUDGET_MINUTES}: {taken}."
        )

    def save(self, folder: Path) -> None:
        """Write the table and the figures into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        everything = {
            "date": datetime.now(UTC).date().isoformat(),
            "python": platform.python_version(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "rows": [asdict(row) for row in self.rows],
            "targets": [asdict(target) | {"met": target.met} for target in self.targets],
            "series": self.series,
            "minutes": self.minutes,
        }
        (folder / "figures.json").write_text(json.dumps(everything, indent=1) + "\n")
        (folder / "table.md").write_text("\n".join(self.lines()) + "\n")
