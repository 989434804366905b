"""Scenario: a thousand files of 150 rows, for every contender in turn, round after round."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import joblib
import numpy as np
import pandas as pd

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import TIDEGATE, Contender, opponents, worker
from benchmarks.harness.drain import Check, DrainResult, drain
from benchmarks.harness.options import Options
from benchmarks.harness.report import Report, Row, Target
from tests.support.scenario import iris, model_file

WORK = "small files"
FILES = 1000
QUICK_FILES = 200
START_FILES = 20  # a run with so few files measures little more than the start


def upload_inputs(bench: BenchCloud, files: int) -> list[str]:
    """Upload the iris file under so many keys, and return the keys."""
    keys = [f"{number:05}.csv" for number in range(files)]
    bench.put(keys, iris().to_csv(index=False).encode())
    return keys


def output_check(model: Path) -> Check:
    """Return a check that compares an output with the model's predictions of iris."""
    expected = joblib.load(model).predict_proba(iris().iloc[:, 1:])[:, 1]

    def check(body: bytes) -> None:
        output = pd.read_csv(io.BytesIO(body), dtype={"id": str})
        assert list(output["id"]) == list(iris()["id"])
        np.testing.assert_allclose(output["activation"], expected, rtol=1e-12)

    return check


@dataclass(slots=True)
class ContenderRuns:
    """A contender's runs: with few files, and with all files."""

    contender: Contender
    starts: list[DrainResult] = field(default_factory=list)
    runs: list[DrainResult] = field(default_factory=list)

    @property
    def cpu_per_file(self) -> float:
        """Milliseconds of CPU for a file, without those of the start."""
        cpu = median(run.cpu_seconds for run in self.runs)
        cpu -= median(run.cpu_seconds for run in self.starts)
        return 1000 * cpu / (self.runs[0].files - self.starts[0].files)

    @property
    def files_per_second(self) -> float:
        """Files per second between the first receive and the last delete."""
        return median(run.files_per_second for run in self.runs)

    def row(self) -> Row:
        """Return the contender's row of the table."""
        return Row.of(
            f"{self.runs[0].files} {WORK}",
            self.contender.name,
            self.runs,
            {"ms CPU/file": self.cpu_per_file, "files/s": self.files_per_second},
        )


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Measure all contenders, one after the other in each round."""
    keys = upload_inputs(bench, QUICK_FILES if options.quick else FILES)
    model = model_file(bench.folder)
    check = output_check(model)
    measured = [ContenderRuns(contender) for contender in (worker(), worker(2), *opponents())]
    for number in range(options.runs):
        for one in measured:
            if number >= options.few_runs and one.contender.share < 1:
                continue  # its place is clear
            share = keys[: round(len(keys) * one.contender.share)]
            options.log(f"{WORK}, round {number + 1}: {one.contender.name}")
            if number < options.few_runs:
                one.starts.append(drain(bench, one.contender, keys[:START_FILES], model, check))
            one.runs.append(drain(bench, one.contender, share, model, check))
    report.rows += [one.row() for one in measured]
    report.targets += targets({one.contender.name: one for one in measured})


def targets(by_name: Mapping[str, ContenderRuns]) -> Sequence[Target]:
    """Return the worker's targets; rates are those of the better of one process and two."""
    ours = by_name["tidegate"]
    peers = [one for name, one in by_name.items() if not name.startswith((TIDEGATE, "floor"))]
    best = min(one.cpu_per_file for one in peers)
    return [
        Target(
            "small files: CPU per file against the best peer's", ours.cpu_per_file / best, most=0.65
        ),
        Target(
            "small files: CPU per file against the floor's",
            ours.cpu_per_file / by_name["floor"].cpu_per_file,
            most=0.75,
        ),
        Target(
            "small files: files/s against the best peer's",
            max(by_name[name].files_per_second for name in by_name if name.startswith(TIDEGATE))
            / max(one.files_per_second for one in peers),
            least=1.3,
        ),
    ]
