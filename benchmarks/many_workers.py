"""One, two, four and eight workers on a job that mostly waits: do they get in each other's way?"""

from statistics import median

from benchmarks.contenders import worker
from benchmarks.drain import Drained, drain
from benchmarks.relay import relayed
from benchmarks.report import Report, Row, Target
from benchmarks.scenario import Asked
from benchmarks.small_files import checker, inputs
from benchmarks.stage import Stage
from tests.support.scenario import model_file

WORK = "many workers"
COPIES = (1, 2, 4, 8)
DELAY_SECONDS = 0.3
CONCURRENCY = 4
FILES_EACH = 100
QUICK_FILES_EACH = 40
SETTINGS = {
    "WORKER_CONCURRENCY": str(CONCURRENCY),
    "WORKER_PREDICT_PROCESSES": "1",
    "WORKER_IDLE_SECONDS": "60",  # they wait for each other, and are stopped
    "WORKER_WAIT_SECONDS": "1",
}


def measure(stage: Stage, asked: Asked, report: Report) -> None:
    """Measure fleets of growing size, the files growing with them."""
    each = QUICK_FILES_EACH if asked.quick else FILES_EACH
    keys = inputs(stage, each * COPIES[-1])
    model = model_file(stage.folder)
    runs: dict[int, list[Drained]] = {}
    for number in range(asked.runs):
        for copies in COPIES:
            asked.tell(f"{WORK}, round {number + 1}: {copies}")
            with relayed(stage.cloud.url, DELAY_SECONDS) as relay:
                drained = drain(
                    stage,
                    worker(copies),
                    keys[: each * copies],
                    model,
                    checker(model),
                    url=relay.url,
                    settings=SETTINGS,
                    ready='"event": "ready"',
                )
            runs.setdefault(copies, []).append(drained)
    rates = {copies: median(run.steady_files_per_second for run in runs[copies]) for copies in runs}
    for copies, drained_ in runs.items():
        speedup = rates[copies] / rates[1]
        figures = {"files/s": rates[copies], "of linear": speedup / copies}
        report.rows.append(Row.of(WORK, worker(copies).name, drained_, figures))
    report.targets.append(
        Target(
            "many workers: eight, against eight times one",
            rates[COPIES[-1]] / rates[1] / COPIES[-1],
            least=0.95,
        )
    )
    report.series[WORK] = rates
