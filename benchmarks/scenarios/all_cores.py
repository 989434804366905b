"""Scenario: one large file in the worker's pool alone, without S3: is it faster on more cores?"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import Contender
from benchmarks.harness.generated_files import FORMATS, TITLES
from benchmarks.harness.launcher import Usage, launched
from benchmarks.harness.options import Options
from benchmarks.harness.report import MB, Report, Row, Target
from benchmarks.memory_run import allowed_mb, train_model

WORK = "scoring alone"
PLAIN = "csv"
MEGABYTES = {PLAIN: 1000, "csv.gz": 400, "csv.zst": 400, "parquet": 400}  # before compression
QUICK_SHARE = 0.1
START_MEGABYTES = 1  # a run with so little measures the start
PROGRAM = Contender("pool", "benchmarks.harness.score_file")
MAX_PROCESSES, PROCESSES_OF_OTHERS = 8, 2


@dataclass(slots=True)
class Runs:
    """The runs of one file with so many processes, and those of a tiny file."""

    file: Path
    work: str
    megabytes: int
    processes: int
    starts: list[Usage]
    usages: list[Usage] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)

    @property
    def cpu_seconds(self) -> float:
        """The CPU seconds of the large file, without those of the start."""
        start = median(usage.cpu_seconds for usage in self.starts)
        return median(usage.cpu_seconds for usage in self.usages) - start

    @property
    def wall_seconds(self) -> float:
        """The seconds from the first byte read to the last written."""
        return median(self.seconds)

    @property
    def peak_mb(self) -> float:
        """The peak memory of the parent and all processes."""
        return median(usage.peak_bytes for usage in self.usages) / MB

    def score(self, model: Path) -> None:
        """Score the file once."""
        usage, said = _score(self.file, model, self.processes)
        self.usages.append(usage)
        self.seconds.append(float(said["seconds"]))
        self.digests.add(said["sha256"])

    def row(self) -> Row:
        """Return the row of the table."""
        return Row(
            f"{WORK}, {self.work}",
            f"{self.processes} processes" if self.processes > 1 else "1 process",
            len(self.usages),
            cpu_seconds=self.cpu_seconds,
            wall_seconds=self.wall_seconds,
            peak_mb=self.peak_mb,
            figures={"MB/s": self.megabytes / self.wall_seconds},
        )


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Score files with one process, with two, and the CSV with as many more as there are cores."""
    model = train_model(bench.folder)
    tiny = _write(bench.folder, PLAIN, START_MEGABYTES)
    starts: dict[int, list[Usage]] = {processes: [] for processes in _processes()}
    works = {name: list(_runs(bench.folder, name, options, starts)) for name in MEGABYTES}
    for number in range(options.few_runs):
        options.log(f"{WORK}, round {number + 1}")
        for processes, usages in starts.items():
            usages.append(_score(tiny, model, processes)[0])
        for work in works.values():
            for one in work:
                one.score(model)
    for work in works.values():
        digests = set().union(*(one.digests for one in work))
        assert len(digests) == 1, f"{work[0].work}: the output depends on the number of processes"
        report.rows += [one.row() for one in work]
    report.targets += _targets(works[PLAIN])
    report.series[WORK] = {one.processes: one.megabytes / one.wall_seconds for one in works[PLAIN]}


def _runs(
    folder: Path, name: str, options: Options, starts: dict[int, list[Usage]]
) -> Iterator[Runs]:
    """Write the file of a format, and yield it for each number of processes."""
    megabytes = MEGABYTES[name]
    if options.quick:
        megabytes = round(megabytes * QUICK_SHARE)
    file = _write(folder, name, megabytes)
    for processes, usages in starts.items():
        if name == PLAIN or processes <= PROCESSES_OF_OTHERS:
            yield Runs(file, f"{megabytes} MB {TITLES[name]}", megabytes, processes, usages)


def _processes() -> list[int]:
    cores = os.cpu_count() or 1
    return [count for count in (1, 2, 4, MAX_PROCESSES) if count <= max(2, cores)]


def _write(folder: Path, name: str, megabytes: int) -> Path:
    path = folder / f"{megabytes}.{name}"
    with path.open("wb") as file:
        file.writelines(FORMATS[name](megabytes * MB).pieces)
    return path


def _score(file: Path, model: Path, processes: int) -> tuple[Usage, dict[str, str]]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "BENCH_FILE": str(file),
        "BENCH_MODEL": str(model),
        "BENCH_PROCESSES": str(processes),
    }
    with launched(PROGRAM, environment, file.parent / "pool.log") as launch:
        usage = launch.usage()
        return usage, json.loads(launch.read_log().splitlines()[-1])


def _targets(measured: list[Runs]) -> Iterator[Target]:
    one, two = measured[:2]
    work = f"{one.work} scored by 2 processes against 1"
    yield Target(f"{work}: rate", one.wall_seconds / two.wall_seconds, least=1.8)
    yield Target(f"{work}: CPU", two.cpu_seconds / one.cpu_seconds, most=1.1)
    for runs in measured:
        work = f"{runs.work} scored by {runs.processes}: peak MB"
        yield Target(work, runs.peak_mb, most=allowed_mb(runs.processes))
