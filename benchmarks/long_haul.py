"""Twenty thousand small files through one worker, fed as they drain: does anything grow?"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from benchmarks.contenders import worker
from benchmarks.drain import Drained, drain
from benchmarks.report import MB, Report, Row, Target
from benchmarks.scenario import Asked
from benchmarks.small_files import checker, inputs
from benchmarks.stage import Stage
from tests.support.scenario import model_file

WORK = "long haul"
FILES = 20_000
QUICK_FILES = 2_000
BACKLOG = 500  # the emulator's receives slow down with more
TENTHS = 10


def measure(stage: Stage, asked: Asked, report: Report) -> None:
    """Run once, and cut the run into tenths."""
    keys = inputs(stage, QUICK_FILES if asked.quick else FILES)
    model = model_file(stage.folder)
    asked.tell(WORK)
    drained = drain(stage, worker(), keys, model, checker(model), backlog=BACKLOG)
    memory, cpu = tenths(drained)
    report.rows.append(
        Row.of(
            f"{WORK}, {len(keys)} files",
            "tidegate",
            [drained],
            {"MB in the second tenth": memory[1], "MB in the last": memory[-1]},
        )
    )
    report.targets += [
        Target(
            "long haul: memory in the last tenth against the second",
            memory[-1] / memory[1],
            most=1.05,
        ),
        Target(
            "long haul: CPU per file in the last tenth against the second",
            cpu[-1] / cpu[1],
            most=1.05,
        ),
    ]
    report.series[WORK] = {"memory_mb": memory, "cpu_ms_per_file": cpu}


def tenths(drained: Drained) -> tuple[Sequence[float], Sequence[float]]:
    """Megabytes held, and milliseconds of CPU for each file, in each tenth of the run."""
    times = [time for time, _, _ in drained.series]
    marks = [drained.until(number / TENTHS) for number in range(TENTHS + 1)]
    memory, cpu = [], []
    for (begun, before), (ended, after) in pairwise(marks):
        looks = drained.series[bisect_left(times, begun) : bisect_left(times, ended)]
        memory.append(median(resident for _, resident, _ in looks) / MB)
        cpu.append(1000 * (looks[-1][2] - looks[0][2]) / (after - before))
    return memory, cpu
