"""The phases of the start: the seconds of each, from the start of the process on."""

import subprocess
import sys
from collections.abc import Callable

from tests.support.scenario import ROOT
from worker.service.phases import Phases

CLOCK_TICK = 0.02  # the kernel notes the start of a process in hundredths of a second


def clock(*times: float) -> Callable[[], float]:
    """Return a clock that shows these times, one after the other."""
    shown = iter(times)
    return lambda: next(shown)


def test_each_phase_lasts_until_the_next_one_begins() -> None:
    phases = Phases("imports", began=10, clock=clock(10.25, 11, 13.5))
    phases.begin("settings")
    phases.begin("queue")
    phases.end()
    assert phases.seconds == {"imports": 0.25, "settings": 0.75, "queue": 2.5}
    assert phases.total == 3.5


def test_what_follows_the_last_phase_counts_as_no_phase() -> None:
    phases = Phases("imports", clock=clock(1, 2, 9))
    phases.end()
    phases.end()
    assert phases.seconds == {"imports": 1}


def test_the_first_phase_begins_with_the_process_and_not_with_the_measurement() -> None:
    code = (
        "import time; began = time.monotonic()\n"
        "while time.monotonic() < began + 0.1: pass\n"
        "from worker.service.phases import Phases\n"
        "phases = Phases.of_this_process('imports')\n"
        "elapsed = time.monotonic() - began; phases.end(); print(phases.total, elapsed)"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own code
    total, elapsed = map(float, printed.stdout.split())
    assert total >= elapsed - CLOCK_TICK
