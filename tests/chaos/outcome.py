"""The result of a run, as text for a person."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.chaos.fleet import Worker


@dataclass(frozen=True, slots=True)
class Outcome:
    """The faults of a run, and the problems that were found in its result."""

    seed: int
    seconds: float  # from the first start to the empty queue
    injected: Counter[str]
    workers: list[Worker]
    problems: list[str]

    def __str__(self) -> str:
        statuses = Counter(worker.process.returncode for worker in self.workers)
        lines = [
            f"seed {self.seed}: {len(self.workers)} workers in {self.seconds:.0f} s",
            f"  exit statuses: {_counted(statuses)}",
            f"  injected: {_counted(self.injected)}",
            f"  logged: {_counted(self._logged())}",
        ]
        if self.problems:
            folder = self.workers[0].log.parent
            lines += [
                *(f"  WRONG: {problem}" for problem in self.problems),
                f"  the logs are in {folder}; the same seed injects the same faults again, but the",
                "  timing of processes is real, so that the run will be similar, not the same",
            ]
        return "\n".join(lines)

    def _logged(self) -> Counter[object]:
        return Counter(event["event"] for worker in self.workers for event in worker.events())


def _counted(counts: Counter[Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=str))
