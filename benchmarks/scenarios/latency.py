"""Scenario: small files with 40 ms added to each call: are the job slots kept busy?"""

import json
from collections.abc import Sequence
from statistics import median

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import worker
from benchmarks.harness.drain import DrainResult, drain
from benchmarks.harness.options import Options
from benchmarks.harness.proxy import proxy_to
from benchmarks.harness.report import Report, Row, Target
from benchmarks.scenarios.small_files import output_check, upload_inputs
from tests.support.scenario import model_file

WORK = "under latency"
DELAY_SECONDS = 0.04
CONCURRENCIES = (8, 16, 32, 64)
SINGLE = 1
FILES_EACH = 50  # for each concurrent job
QUICK_FILES_EACH = 10


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Measure the worker with one job at a time, then at each concurrency."""
    each = QUICK_FILES_EACH if options.quick else FILES_EACH
    keys = upload_inputs(bench, each * CONCURRENCIES[-1])
    model = model_file(bench.folder)
    runs: dict[int, list[DrainResult]] = {}
    for number in range(options.runs):
        for concurrency in (SINGLE, *CONCURRENCIES):
            options.log(f"{WORK}, round {number + 1}: concurrency {concurrency}")
            with proxy_to(bench.cloud.url, DELAY_SECONDS) as proxy:
                drained = drain(
                    bench,
                    worker(),
                    keys[: each * concurrency],
                    model,
                    output_check(model),
                    url=proxy.url,
                    settings={"WORKER_CONCURRENCY": str(concurrency)},
                )
            runs.setdefault(concurrency, []).append(drained)
    single = median(_job_seconds(run) for run in runs.pop(SINGLE))
    for concurrency, results in runs.items():
        _add(report, concurrency, results, single)
    report.series[WORK] = {"job_seconds": single, "files_per_second": _rates(runs)}


def _add(report: Report, concurrency: int, drained: Sequence[DrainResult], single: float) -> None:
    rate = median(run.steady_files_per_second for run in drained)
    seconds = median(_job_seconds(run) for run in drained)
    figures = {
        "files/s": rate,
        "ms a job": 1000 * seconds,
        "of the slots busy": rate * seconds / concurrency,
        "of concurrency / job alone": rate * single / concurrency,
    }
    report.rows.append(Row.of(WORK, f"tidegate, {concurrency} jobs", drained, figures))
    report.targets.append(
        Target(
            f"under latency: files/s against {concurrency} jobs / the time of one alone",
            rate * single / concurrency,
            least=0.9,
        )
    )


def _rates(runs: dict[int, list[DrainResult]]) -> dict[int, float]:
    return {
        concurrency: median(run.steady_files_per_second for run in drained)
        for concurrency, drained in runs.items()
    }


def _job_seconds(drained: DrainResult) -> float:
    """Return the median duration of a job by the worker's log."""
    lines = [json.loads(line) for line in drained.log.splitlines() if line.startswith("{")]
    return median(float(line["seconds"]) for line in lines if line["event"] == "job done")
