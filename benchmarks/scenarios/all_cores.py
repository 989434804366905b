"""Scenario: one large CSV in the worker's pool alone, without S3: how much faster on more cores?"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import Contender
from benchmarks.harness.generated_files import csv
from benchmarks.harness.launcher import Usage, launched
from benchmarks.harness.options import Options
from benchmarks.harness.report import MB, Report, Row, Target
from benchmarks.memory_run import train_model

WORK = "scoring alone"
MEGABYTES, QUICK_MEGABYTES = 2000, 100
START_MEGABYTES = 1  # a run with so little measures the start
PROGRAM = Contender("pool", "benchmarks.harness.score_file")
MAX_PROCESSES = 8


@dataclass(slots=True)
class Runs:
    """The runs with so many processes: of a tiny file and of the large one."""

    processes: int
    starts: list[Usage] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def cpu_seconds(self) -> float:
        """The CPU seconds of the large file, without those of the start."""
        start = median(usage.cpu_seconds for usage in self.starts)
        return median(usage.cpu_seconds for usage in self.usages) - start

    @property
    def wall_seconds(self) -> float:
        """The seconds from the first byte read to the last written."""
        return median(self.seconds)

    def row(self, megabytes: int) -> Row:
        """Return the row of the table."""
        return Row(
            f"{WORK}, {megabytes} MB CSV",
            f"{self.processes} processes" if self.processes > 1 else "1 process",
            len(self.usages),
            cpu_seconds=self.cpu_seconds,
            wall_seconds=self.wall_seconds,
            peak_mb=median(usage.peak_bytes for usage in self.usages) / MB,
            figures={"MB/s": megabytes / self.wall_seconds},
        )


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Score one file with one process, with two, and with as many more as the machine has cores."""
    megabytes = QUICK_MEGABYTES if options.quick else MEGABYTES
    model = train_model(bench.folder)
    tiny, large = (_write(bench.folder, size) for size in (START_MEGABYTES, megabytes))
    measured = [Runs(processes) for processes in _processes()]
    digests = set()
    for number in range(options.runs_of_large_work):
        for one in measured:
            options.log(f"{WORK}, round {number + 1}: {one.processes}")
            one.starts.append(_score(bench.folder, tiny, model, one.processes)[0])
            usage, said = _score(bench.folder, large, model, one.processes)
            one.usages.append(usage)
            one.seconds.append(float(said["seconds"]))
            digests.add(said["sha256"])
    assert len(digests) == 1, "the output depends on the number of processes"
    report.rows += [one.row(megabytes) for one in measured]
    report.targets += _targets(measured, megabytes)
    report.series[WORK] = {one.processes: megabytes / one.wall_seconds for one in measured}


def _processes() -> list[int]:
    cores = os.cpu_count() or 1
    return [count for count in (1, 2, 4, MAX_PROCESSES) if count <= max(2, cores)]


def _write(folder: Path, megabytes: int) -> Path:
    path = folder / f"{megabytes}.csv"
    with path.open("wb") as file:
        file.writelines(csv(megabytes * MB).pieces)
    return path


def _score(folder: Path, file: Path, model: Path, processes: int) -> tuple[Usage, dict[str, str]]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "BENCH_FILE": str(file),
        "BENCH_MODEL": str(model),
        "BENCH_PROCESSES": str(processes),
    }
    with launched(PROGRAM, environment, folder / "pool.log") as launch:
        usage = launch.usage()
        return usage, json.loads(launch.read_log().splitlines()[-1])


def _targets(measured: list[Runs], megabytes: int) -> Iterator[Target]:
    one, *more = measured
    for many in more:
        work = f"{megabytes} MB CSV scored by {many.processes} processes against 1"
        rate = one.wall_seconds / many.wall_seconds
        yield Target(f"{work}: rate", rate, least=0.9 * many.processes)
        yield Target(f"{work}: CPU", many.cpu_seconds / one.cpu_seconds, most=1.1)
    for runs in measured:
        peak = median(usage.peak_bytes for usage in runs.usages) / MB
        yield Target(
            f"{megabytes} MB CSV scored by {runs.processes}: peak MB",
            peak,
            most=400 + 60 * runs.processes,
        )
