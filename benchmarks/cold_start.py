"""One file, and nobody there yet: from a process's start to its first receive and first output."""

import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.contenders import Contender, opponents, worker
from benchmarks.drain import Drained, drain
from benchmarks.launching import ROOT
from benchmarks.relay import Call, relayed
from benchmarks.report import Report, Row, Target
from benchmarks.scenario import Asked
from benchmarks.small_files import checker, inputs
from benchmarks.stage import OUTPUTS, Stage
from tests.support.scenario import model_file

WORK = "cold start"
LIBRARIES = "import pandas, sklearn, pyarrow, aioboto3"


@dataclass(slots=True)
class Started:
    """A contender's cold starts, in seconds."""

    contender: Contender
    runs: list[Drained] = field(default_factory=list)
    receives: list[float] = field(default_factory=list)
    outputs: list[float] = field(default_factory=list)

    def add(self, drained: Drained, calls: Sequence[Call]) -> None:
        """Take in a run, and what it asked of the cloud."""
        self.runs.append(drained)
        receive = next(call for call in calls if call.name == "ReceiveMessage")
        put = next(
            call for call in calls if call.name == "PUT" and call.path.startswith(f"/{OUTPUTS}/")
        )
        assert put.answered is not None
        self.receives.append(receive.asked - drained.started)
        self.outputs.append(put.answered - drained.started)

    def row(self) -> Row:
        """Its row of the table."""
        return Row.of(
            WORK,
            self.contender.name,
            self.runs,
            {
                "s to the first receive": median(self.receives),
                "s to the first output": median(self.outputs),
            },
        )


def measure(stage: Stage, asked: Asked, report: Report) -> None:
    """Measure everyone that is one process, and the import of what all of them use."""
    keys = inputs(stage, 1)
    model = model_file(stage.folder)
    started = [
        Started(contender) for contender in (worker(), *opponents()) if contender.copies == 1
    ]
    imports: list[float] = []
    for number in range(asked.runs):
        asked.tell(f"{WORK}, round {number + 1}")
        imports.append(timed(LIBRARIES)[0])
        for one in started:
            with relayed(stage.cloud.url) as relay:
                drained = drain(stage, one.contender, keys, model, checker(model), url=relay.url)
            one.add(drained, relay.calls)
    report.rows += [one.row() for one in started]
    by_name = {one.contender.name: one for one in started}
    receive = median(by_name["tidegate"].receives)
    output = median(by_name["tidegate"].outputs)
    report.targets += [
        Target(
            "cold start: first receive against the libraries' import",
            receive / median(imports),
            most=0.6,
        ),
        Target(
            "cold start: first output against the origin's",
            output / median(by_name["origin"].outputs),
            most=0.667,
        ),
    ]
    report.series[WORK] = {
        "import": median(imports),
        **{name: [median(one.receives), median(one.outputs)] for name, one in by_name.items()},
    }


def timed(code: str) -> tuple[float, float]:
    """Run a line of Python in a process of its own; answer wall and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)  # noqa: S603 - our own
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
