"""Scenario: one, four and eight workers on jobs that mostly wait: does the rate grow too?"""

from statistics import median

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import worker
from benchmarks.harness.drain import DrainResult, drain
from benchmarks.harness.options import Options
from benchmarks.harness.proxy import proxy_to
from benchmarks.harness.report import Report, Row
from benchmarks.scenarios.small_files import output_check, upload_inputs
from tests.support.scenario import model_file

WORK = "many workers"
COPIES = (1, 4, 8)
DELAY_SECONDS = 0.3
CONCURRENCY = 4
FILES_EACH = 60
QUICK_FILES_EACH = 20
SETTINGS = {
    "WORKER_CONCURRENCY": str(CONCURRENCY),
    "WORKER_PREDICT_PROCESSES": "1",
    "WORKER_IDLE_SECONDS": "60",  # the workers wait for each other, and are stopped at the end
    "WORKER_WAIT_SECONDS": "1",
}


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Measure one, four and eight workers, with as many more files."""
    each = QUICK_FILES_EACH if options.quick else FILES_EACH
    keys = upload_inputs(bench, each * COPIES[-1])
    model = model_file(bench.folder)
    runs: dict[int, list[DrainResult]] = {}
    for number in range(options.few_runs):
        for copies in COPIES:
            options.log(f"{WORK}, round {number + 1}: {copies}")
            with proxy_to(bench.cloud.url, DELAY_SECONDS) as proxy:
                drained = drain(
                    bench,
                    worker(copies),
                    keys[: each * copies],
                    model,
                    output_check(model),
                    url=proxy.url,
                    settings=SETTINGS,
                    ready='"event": "ready"',
                )
            runs.setdefault(copies, []).append(drained)
    rates = {copies: median(run.steady_files_per_second for run in runs[copies]) for copies in runs}
    for copies, results in runs.items():
        speedup = rates[copies] / rates[1]
        figures = {"files/s": rates[copies], "of linear": speedup / copies}
        report.rows.append(Row.of(WORK, worker(copies).name, results, figures))
    report.series[WORK] = rates
