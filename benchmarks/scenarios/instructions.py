"""Scenario: the instructions of predicting one small file, counted by callgrind.

No load on the machine changes a count of instructions. valgrind must be installed; without it the
scenario says so and measures nothing.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.launcher import ROOT
from benchmarks.harness.options import Options
from benchmarks.harness.report import Report, Row
from tests.support.scenario import model_file

WORK = "one small file, in memory"
FEW, MANY = 5, 35  # the difference is free of the start
COLLECTED = re.compile(r"Collected : (\d+)")


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Count the instructions of the worker's scoring and of plain pandas."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        options.log("instructions: valgrind is not installed, so they are not counted")
        return
    model = model_file(bench.folder)
    for way in ("worker", "pandas"):
        options.log(f"{WORK}: {way}")
        few, many = (_count(valgrind, way, times, model) for times in (FEW, MANY))
        per_file = (many - few) / (MANY - FEW)
        report.rows.append(
            Row(
                WORK,
                way,
                1,
                cpu_seconds=0,
                wall_seconds=0,
                figures={"million instructions a file": per_file / 1e6},
            )
        )


def _count(valgrind: str, way: str, times: int, model: Path) -> int:
    """Return the instructions of a whole run."""
    tool = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    program = [sys.executable, "-m", "benchmarks.harness.score_often", way, str(times)]
    environment = {
        **os.environ,
        "BENCH_MODEL": str(model),
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    ended = subprocess.run(  # noqa: S603 - our own arguments
        [*tool, *program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    collected = COLLECTED.search(ended.stderr)
    assert collected is not None, ended.stderr
    return int(collected[1])
