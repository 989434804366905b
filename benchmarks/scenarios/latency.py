"""Scenario: small files with 40 ms added to each call: are the job slots kept busy?

The rate is compared with what the slots allow. The cloud and the proxy use the same cores as the
worker. So the table also has what the cores allow that the cloud and the proxy left.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import worker
from benchmarks.harness.drain import DrainResult, drain
from benchmarks.harness.options import Options
from benchmarks.harness.process_tree import tree_cpu_seconds
from benchmarks.harness.proxy import proxy_to
from benchmarks.harness.report import Report, Row, Target
from benchmarks.scenarios.small_files import output_check, upload_inputs
from tests.support.scenario import model_file

WORK = "under latency"
DELAY_SECONDS = 0.04
CONCURRENCIES = (32, 64)
SINGLE = 1
FILES_EACH = 30  # for each concurrent job
QUICK_FILES_EACH = 10


@dataclass(frozen=True, slots=True)
class LatencyRun:
    """One run, and the CPU seconds that the cloud and the proxy used meanwhile."""

    drained: DrainResult
    others_cpu_seconds: float

    @property
    def job_seconds(self) -> float:
        """The median duration of a job by the worker's log."""
        lines = [json.loads(line) for line in self.drained.log.splitlines() if line.startswith("{")]
        return median(float(line["seconds"]) for line in lines if line["event"] == "job done")

    @property
    def cores_allow(self) -> float:
        """The files per second for which the cores are enough that the others left."""
        left = (os.cpu_count() or 1) - self.others_cpu_seconds / self.drained.busy_seconds
        return left / self.drained.steady_cpu_per_file


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Measure the worker with one job at a time, then at each concurrency."""
    each = QUICK_FILES_EACH if options.quick else FILES_EACH
    keys = upload_inputs(bench, each * CONCURRENCIES[-1])
    model = model_file(bench.folder)
    runs: dict[int, list[LatencyRun]] = {}
    for number in range(options.runs):
        for concurrency in (SINGLE, *CONCURRENCIES):
            options.log(f"{WORK}, round {number + 1}: concurrency {concurrency}")
            before = _others_cpu(bench)
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
            run = LatencyRun(drained, _others_cpu(bench) - before)
            runs.setdefault(concurrency, []).append(run)
    single = median(run.job_seconds for run in runs.pop(SINGLE))
    for concurrency, results in runs.items():
        _add(report, concurrency, results, single)
    report.series[WORK] = {"job_seconds": single, "files_per_second": _rates(runs)}


def _others_cpu(bench: BenchCloud) -> float:
    """Return the CPU seconds so far of the cloud, and of the proxy, which runs in this process."""
    own = os.times()
    return tree_cpu_seconds(bench.cloud.pid) + own.user + own.system


def _add(report: Report, concurrency: int, runs: Sequence[LatencyRun], single: float) -> None:
    rate = _rates({concurrency: runs})[concurrency]
    seconds = median(run.job_seconds for run in runs)
    slots_allow, cores_allow = concurrency / single, median(run.cores_allow for run in runs)
    figures = {
        "files/s": rate,
        "ms a job": 1000 * seconds,
        "of the slots busy": rate * seconds / concurrency,
        "files/s that the slots allow": slots_allow,
        "files/s that the cores allow": cores_allow,
    }
    drained = [run.drained for run in runs]
    report.rows.append(Row.of(WORK, f"tidegate, {concurrency} jobs", drained, figures))
    report.targets.append(
        Target(
            f"under latency, {concurrency} jobs: files/s against what the slots allow",
            rate / slots_allow,
            least=0.9,
        )
    )


def _rates(runs: Mapping[int, Sequence[LatencyRun]]) -> dict[int, float]:
    return {
        concurrency: median(run.drained.steady_files_per_second for run in results)
        for concurrency, results in runs.items()
    }
