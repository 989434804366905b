"""Scenario: ten thousand small files through one worker: do memory or CPU a file grow?"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import worker
from benchmarks.harness.drain import DrainResult, drain
from benchmarks.harness.options import Options
from benchmarks.harness.report import MB, Report, Row
from benchmarks.scenarios.small_files import output_check, upload_inputs
from tests.support.scenario import model_file

WORK = "long haul"
FILES = 10_000
QUICK_FILES = 2_000
BACKLOG = 500  # visible messages; the emulator's receives slow down with more
TENTHS = 10


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Run once, and compare the tenths of the run."""
    keys = upload_inputs(bench, QUICK_FILES if options.quick else FILES)
    model = model_file(bench.folder)
    options.log(WORK)
    drained = drain(bench, worker(), keys, model, output_check(model), backlog=BACKLOG)
    memory, cpu = tenths(drained)
    report.rows.append(
        Row.of(
            f"{WORK}, {len(keys)} files",
            "tidegate",
            [drained],
            {
                "MB in the second tenth": memory[1],
                "MB in the last": memory[-1],
                "ms CPU/file in the second tenth": cpu[1],
                "ms CPU/file in the last": cpu[-1],
            },
        )
    )
    report.series[WORK] = {"memory_mb": memory, "cpu_ms_per_file": cpu}


def tenths(drained: DrainResult) -> tuple[Sequence[float], Sequence[float]]:
    """Return memory in MB and CPU milliseconds for a file, for each tenth of the run."""
    times = [time for time, _, _ in drained.series]
    marks = [drained.when_done(number / TENTHS) for number in range(TENTHS + 1)]
    memory, cpu = [], []
    for (begun, before), (ended, after) in pairwise(marks):
        samples = drained.series[bisect_left(times, begun) : bisect_left(times, ended)]
        memory.append(median(resident for _, resident, _ in samples) / MB)
        cpu.append(1000 * (samples[-1][2] - samples[0][2]) / (after - before))
    return memory, cpu
