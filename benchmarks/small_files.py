"""A thousand files of 150 rows: every contender in turn, round after round."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import joblib
import numpy as np
import pandas as pd

from benchmarks.contenders import Contender, opponents, worker
from benchmarks.drain import Check, Drained, drain
from benchmarks.relay import relayed
from benchmarks.report import Report, Row, Target
from benchmarks.scenario import Asked
from benchmarks.stage import Stage
from tests.support.scenario import iris, model_file

WORK = "small files"
FILES = 1000
QUICK_FILES = 200
FIRST_FILES = 20  # a run of these is a start, and hardly anything else


def inputs(stage: Stage, files: int) -> list[str]:
    """Upload iris so many times."""
    keys = [f"{number:05}.csv" for number in range(files)]
    stage.put(keys, iris().to_csv(index=False).encode())
    return keys


def checker(model: Path) -> Check:
    """Compare an output with what the model says of iris."""
    expected = joblib.load(model).predict_proba(iris().iloc[:, 1:])[:, 1]

    def check(body: bytes) -> None:
        output = pd.read_csv(io.BytesIO(body), dtype={"id": str})
        assert list(output["id"]) == list(iris()["id"])
        np.testing.assert_allclose(output["activation"], expected, rtol=1e-12)

    return check


@dataclass(slots=True)
class Measured:
    """A contender's runs: with few files, and with all."""

    contender: Contender
    starts: list[Drained] = field(default_factory=list)
    runs: list[Drained] = field(default_factory=list)
    calls: int = 0

    @property
    def cpu_per_file(self) -> float:
        """Milliseconds a file, without what the start takes."""
        cpu = median(run.cpu_seconds for run in self.runs)
        cpu -= median(run.cpu_seconds for run in self.starts)
        return 1000 * cpu / (self.runs[0].files - self.starts[0].files)

    @property
    def files_per_second(self) -> float:
        """How fast, from the first receive to the last delete."""
        return median(run.files_per_second for run in self.runs)

    @property
    def calls_per_file(self) -> float:
        """AWS calls, those of start and end included."""
        return self.calls / self.runs[0].files

    def row(self) -> Row:
        """Its row of the table."""
        return Row.of(
            f"{self.runs[0].files} {WORK}",
            self.contender.name,
            self.runs,
            {
                "ms CPU/file": self.cpu_per_file,
                "files/s": self.files_per_second,
                "calls/file": self.calls_per_file,
            },
            self.calls,
        )


def measure(stage: Stage, asked: Asked, report: Report) -> None:
    """Measure them all, one after the other in each round."""
    keys = inputs(stage, QUICK_FILES if asked.quick else FILES)
    model = model_file(stage.folder)
    check = checker(model)
    measured = [Measured(contender) for contender in (worker(), worker(2), *opponents())]
    for number in range(asked.runs):
        for one in measured:
            mine = keys[: round(len(keys) * one.contender.share)]
            asked.tell(f"{WORK}, round {number + 1}: {one.contender.name}")
            one.starts.append(drain(stage, one.contender, keys[:FIRST_FILES], model, check))
            one.runs.append(drain(stage, one.contender, mine, model, check))
    for one in measured:
        mine = keys[: round(len(keys) * one.contender.share)]
        with relayed(stage.cloud.url) as relay:
            drain(stage, one.contender, mine, model, check, url=relay.url)
        one.calls = len(relay.calls)
    report.rows += [one.row() for one in measured]
    report.targets += targets({one.contender.name: one for one in measured})


def targets(by_name: Mapping[str, Measured]) -> Sequence[Target]:
    """What the worker is to reach."""
    ours = by_name["tidegate"]
    others = {
        name: one
        for name, one in by_name.items()
        if not name.startswith(("tidegate", "floor", "origin"))
    }
    return [
        Target(
            "small files: CPU per file against the floor's",
            ours.cpu_per_file / by_name["floor"].cpu_per_file,
            most=1.2,
        ),
        Target(
            "small files: CPU per file against the origin's",
            ours.cpu_per_file / by_name["origin"].cpu_per_file,
            most=0.1,
        ),
        Target(
            "small files: CPU per file against the best opponent's",
            ours.cpu_per_file / min(one.cpu_per_file for one in others.values()),
            most=1.0,
        ),
        Target(
            "small files: files/s against the best opponent's",
            ours.files_per_second / max(one.files_per_second for one in others.values()),
            least=1.0,
        ),
        Target("small files: AWS calls a file", ours.calls_per_file, most=2.3),
    ]
