"""The memory and the CPU time of a process and all that it started, while it runs."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS = 0.1


@dataclass
class ProcessTree:
    """Looks at the tree ten times a second, and sums its pages, each shared one by its share."""

    root: int
    peak_bytes: int = 0
    peak_root_bytes: int = 0
    cpu_seconds: float = 0.0
    series: list[tuple[float, int, float]] = field(default_factory=list)
    """At each look: the clock, the bytes below the root, and the CPU seconds of all."""
    _over: threading.Event = field(default_factory=threading.Event)
    _cpu: dict[int, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.cpu_seconds = sum(self._cpu.values())

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            held = {}
            for pid in _tree(self.root):
                try:
                    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                except OSError:  # it has just ended
                    continue
                held[pid] = _held(pid)
                self._cpu[pid] = (int(stat[11]) + int(stat[12])) / TICKS
            total, of_root = sum(held.values()), held.get(self.root, 0)
            self.peak_bytes = max(self.peak_bytes, total)
            self.peak_root_bytes = max(self.peak_root_bytes, of_root)
            self.series.append((time.monotonic(), total - of_root, sum(self._cpu.values())))


def _held(pid: int) -> int:
    """The proportional set size in bytes: what is shared by two counts half in each."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _tree(root: int) -> Iterator[int]:
    """The process and its descendants; whoever ends meanwhile may be missing."""
    yield root
    with suppress(OSError):
        for thread in Path(f"/proc/{root}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _tree(int(child))
