"""Small files with 40 ms added to each call: are the slots for jobs kept full?"""

import json
from collections.abc import Sequence
from statistics import median

from benchmarks.contenders import worker
from benchmarks.drain import Drained, drain
from benchmarks.relay import relayed
from benchmarks.report import Report, Row, Target
from benchmarks.scenario import Asked
from benchmarks.small_files import checker, inputs
from benchmarks.stage import Stage
from tests.support.scenario import model_file

WORK = "under latency"
DELAY_SECONDS = 0.04
CONCURRENCIES = (8, 16, 32, 64)
ALONE = 1
FILES_EACH = 50  # so many for each job at once
QUICK_FILES_EACH = 10


def measure(stage: Stage, asked: Asked, report: Report) -> None:
    """Measure the worker at each concurrency, and first a job that is alone."""
    each = QUICK_FILES_EACH if asked.quick else FILES_EACH
    keys = inputs(stage, each * CONCURRENCIES[-1])
    model = model_file(stage.folder)
    runs: dict[int, list[Drained]] = {}
    for number in range(asked.runs):
        for concurrency in (ALONE, *CONCURRENCIES):
            asked.tell(f"{WORK}, round {number + 1}: concurrency {concurrency}")
            with relayed(stage.cloud.url, DELAY_SECONDS) as relay:
                drained = drain(
                    stage,
                    worker(),
                    keys[: each * concurrency],
                    model,
                    checker(model),
                    url=relay.url,
                    settings={"WORKER_CONCURRENCY": str(concurrency)},
                )
            runs.setdefault(concurrency, []).append(drained)
    alone = median(_job_seconds(run) for run in runs.pop(ALONE))
    for concurrency, some in runs.items():
        _add(report, concurrency, some, alone)
    report.series[WORK] = {"job_seconds": alone, "files_per_second": _rates(runs)}


def _add(report: Report, concurrency: int, drained: Sequence[Drained], alone: float) -> None:
    rate = median(run.steady_files_per_second for run in drained)
    seconds = median(_job_seconds(run) for run in drained)
    figures = {
        "files/s": rate,
        "ms a job": 1000 * seconds,
        "of the slots busy": rate * seconds / concurrency,
        "of concurrency / job alone": rate * alone / concurrency,
    }
    report.rows.append(Row.of(WORK, f"tidegate, {concurrency} jobs", drained, figures))
    report.targets.append(
        Target(
            f"under latency: files/s against {concurrency} jobs / the time of one alone",
            rate * alone / concurrency,
            least=0.9,
        )
    )


def _rates(runs: dict[int, list[Drained]]) -> dict[int, float]:
    return {
        concurrency: median(run.steady_files_per_second for run in drained)
        for concurrency, drained in runs.items()
    }


def _job_seconds(drained: Drained) -> float:
    """How long a job took, as the worker's log says."""
    lines = [json.loads(line) for line in drained.log.splitlines() if line.startswith("{")]
    return median(float(line["seconds"]) for line in lines if line["event"] == "job done")
