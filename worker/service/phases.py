"""The phases of the start, one after the other, and the seconds that each took."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

Clock = Callable[[], float]


class Phases:
    """Measures the phases of the start; the first one is under way from the beginning."""

    def __init__(
        self, first: str, *, began: float | None = None, clock: Clock = time.monotonic
    ) -> None:
        self._clock = clock
        self._began = self._phase_began = clock() if began is None else began
        self._phase: str | None = first
        self.seconds: dict[str, float] = {}

    @classmethod
    def of_this_process(cls, first: str) -> Self:
        """Begin with a phase that is under way since the start of this process."""
        return cls(first, began=time.monotonic() - _process_seconds())

    @property
    def total(self) -> float:
        """The seconds of all phases that have ended."""
        return round(self._phase_began - self._began, 2)

    def begin(self, phase: str) -> None:
        """End the phase under way, and begin another one."""
        self.end()
        self._phase = phase

    def end(self) -> None:
        """End the phase under way."""
        now = self._clock()
        if self._phase is not None:
            self.seconds[self._phase] = round(now - self._phase_began, 2)
        self._phase, self._phase_began = None, now


def _process_seconds() -> float:
    """Return how long ago this process was started; without /proc, the processor time it used."""
    try:
        stat = Path("/proc/self/stat").read_text()
    except OSError:
        return time.process_time()
    # The name of the program, in brackets, may hold blanks. The 22nd field is in clock ticks.
    ticks = int(stat.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
