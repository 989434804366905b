"""Scenario: one file, no running worker: the time to the first receive and the first output."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.harness.bench_cloud import OUTPUTS, BenchCloud
from benchmarks.harness.contenders import Contender, opponent, worker
from benchmarks.harness.drain import DrainResult, drain
from benchmarks.harness.launcher import ROOT
from benchmarks.harness.options import Options
from benchmarks.harness.proxy import Call, proxy_to
from benchmarks.harness.report import Report, Row, Target
from benchmarks.scenarios.small_files import output_check, upload_inputs
from tests.support.scenario import model_file

WORK = "cold start"
WITH_PROCESS_POOL = ("celery_sqs", "sagemaker_serving")  # peers that predict apart, as we do
LIBRARIES = "import pandas, sklearn, pyarrow, aioboto3"


@dataclass(slots=True)
class ColdStarts:
    """A contender's cold starts: seconds to the first receive and to the first output."""

    contender: Contender
    runs: list[DrainResult] = field(default_factory=list)
    receives: list[float] = field(default_factory=list)
    outputs: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)
    """The seconds of each phase of the start, where the contender logs them."""

    def add(self, drained: DrainResult, calls: Sequence[Call]) -> None:
        """Add a run and the calls that the contender made."""
        self.runs.append(drained)
        receive = next(call for call in calls if call.name == "ReceiveMessage")
        put = next(
            call for call in calls if call.name == "PUT" and call.path.startswith(f"/{OUTPUTS}/")
        )
        assert put.answered is not None
        self.receives.append(receive.sent - drained.started)
        self.outputs.append(put.answered - drained.started)
        self.phases += _logged_phases(drained.log)

    def row(self) -> Row:
        """Return the contender's row of the table."""
        return Row.of(
            WORK,
            self.contender.name,
            self.runs,
            {
                "s to the first receive": median(self.receives),
                "s to the first output": median(self.outputs),
                **self._phase_medians(),
            },
        )

    def _phase_medians(self) -> dict[str, float]:
        names = self.phases[0] if self.phases else ()
        return {f"s {name}": median(phases[name] for phases in self.phases) for name in names}


def _logged_phases(log: str) -> list[dict[str, float]]:
    """Return the phases in each line `ready` of a worker's log."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [line["phases"] for line in lines if line.get("event") == "ready"]


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Measure the worker, the floor, the peers with a process pool, and the libraries' import."""
    keys = upload_inputs(bench, 1)
    model = model_file(bench.folder)
    peers = [opponent(name) for name in ("floor", *WITH_PROCESS_POOL)]
    started = [ColdStarts(contender) for contender in (worker(), *peers)]
    imports: list[float] = []
    for number in range(options.runs):
        options.log(f"{WORK}, round {number + 1}")
        imports.append(time_python(LIBRARIES)[0])
        for one in started:
            with proxy_to(bench.cloud.url) as proxy:
                drained = drain(
                    bench, one.contender, keys, model, output_check(model), url=proxy.url
                )
            one.add(drained, proxy.calls)
    report.rows += [one.row() for one in started]
    by_name = {one.contender.name: one for one in started}
    report.targets += _targets({name: median(one.outputs) for name, one in by_name.items()})
    report.series[WORK] = {
        "import": median(imports),
        **{name: [median(one.receives), median(one.outputs)] for name, one in by_name.items()},
    }


def _targets(outputs: Mapping[str, float]) -> Iterator[Target]:
    ours = outputs["tidegate"]
    yield Target("cold start: first output against the floor's", ours / outputs["floor"], most=1.0)
    yield Target(
        "cold start: first output against the best peer's that has a process pool",
        ours / min(outputs[name] for name in WITH_PROCESS_POOL),
        most=1.0,
    )


def time_python(code: str) -> tuple[float, float]:
    """Run a line of Python in a new process; return wall and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)  # noqa: S603 - our own
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
