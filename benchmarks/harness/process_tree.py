"""Memory and CPU time of a process and all its descendants, sampled while the process runs."""

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
SAMPLE_SECONDS = 0.1


@dataclass
class ProcessTree:
    """Samples the tree ten times a second; memory is the sum of the proportional set sizes."""

    root: int
    peak_bytes: int = 0
    peak_root_bytes: int = 0
    cpu_seconds: float = 0.0
    series: list[tuple[float, int, float]] = field(default_factory=list)
    """Samples of the clock, the bytes of the root's descendants, and the tree's CPU seconds."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _cpu: dict[int, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.cpu_seconds = sum(self._cpu.values())

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            memory = {}
            for pid in _tree(self.root):
                try:
                    stat = _stat(pid)
                except OSError:  # the process has just ended
                    continue
                memory[pid] = _proportional_set_size(pid)
                self._cpu[pid] = _cpu_seconds(stat)
            total, of_root = sum(memory.values()), memory.get(self.root, 0)
            self.peak_bytes = max(self.peak_bytes, total)
            self.peak_root_bytes = max(self.peak_root_bytes, of_root)
            self.series.append((time.monotonic(), total - of_root, sum(self._cpu.values())))


def tree_cpu_seconds(root: int) -> float:
    """Return the CPU seconds of a process, its descendants, and those that it has waited for."""
    total = 0.0
    for pid in _tree(root):
        with suppress(OSError):
            stat = _stat(pid)
            total += _cpu_seconds(stat) + (int(stat[13]) + int(stat[14])) / TICKS
    return total


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def _cpu_seconds(stat: list[str]) -> float:
    return (int(stat[11]) + int(stat[12])) / TICKS


def _proportional_set_size(pid: int) -> int:
    """Return a process's PSS in bytes: a page that two processes share counts half in each."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _tree(root: int) -> Iterator[int]:
    """Yield a process and its descendants; a process that ends meanwhile may be missing."""
    yield root
    with suppress(OSError):
        for thread in Path(f"/proc/{root}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _tree(int(child))
