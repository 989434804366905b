"""python -m benchmarks: measure the worker and its opponents on the local cloud.

Every scenario starts a local cloud of its own, and measures its contenders in turns, round after
round. The cloud's CPU time and memory are not counted, but the cloud uses the same cores.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import plots
from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.launcher import LaunchFailed
from benchmarks.harness.options import Options
from benchmarks.harness.report import Report
from benchmarks.scenarios import (
    all_cores,
    aws_calls,
    big_file,
    cold_start,
    dispatcher,
    instructions,
    latency,
    long_haul,
    many_workers,
    small_files,
)
from tidegate.localcloud.cloud import local_cloud

RESULTS = Path(__file__).parent / "results"
QUICK_RUNS = 1
RUNS = 5

SCENARIOS: Mapping[str, Callable[[BenchCloud, Options, Report], None]] = {
    "small-files": small_files.measure,
    "aws-calls": aws_calls.measure,
    "instructions": instructions.measure,
    "latency": latency.measure,
    "big-file": big_file.measure,
    "all-cores": all_cores.measure,
    "cold-start": cold_start.measure,
    "many-workers": many_workers.measure,
    "dispatcher": dispatcher.measure,
    "long-haul": long_haul.measure,
}
ON_REQUEST = ("instructions",)  # takes minutes, and changes with the code only


def main() -> int:
    """Measure the scenarios, print the table, save the figures and draw the plots."""
    arguments = _parser().parse_args()
    runs = arguments.runs or (QUICK_RUNS if arguments.quick else RUNS)
    options = Options(runs=runs, quick=arguments.quick)
    report = Report()
    failed = []
    for name in arguments.scenarios or (name for name in SCENARIOS if name not in ON_REQUEST):
        started = time.monotonic()
        try:
            asyncio.run(_measure(name, options, report))
        except LaunchFailed as failure:  # the others are measured all the same
            failed.append(name)
            options.log(f"{name} failed: {failure}")
        report.minutes[name] = (time.monotonic() - started) / 60
        options.log(f"{name}: {report.minutes[name]:.1f} minutes")
    print("\n".join(report.lines()))
    if arguments.results:
        report.save(arguments.results)
        plots.draw(report, arguments.results)
    if failed:
        options.log(f"not measured, because a program failed: {', '.join(failed)}")
    return 1 if failed else 0


async def _measure(name: str, options: Options, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        # Each scenario has a new cloud, because the cloud keeps all objects in memory.
        async with local_cloud() as cloud:
            bench = BenchCloud(cloud, Path(folder))
            await asyncio.to_thread(SCENARIOS[name], bench, options, report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"some of: {', '.join(SCENARIOS)}; by default all but {', '.join(ON_REQUEST)}",
    )
    parser.add_argument("--runs", type=int, help=f"how often to measure each contender ({RUNS})")
    parser.add_argument(
        "--quick", action="store_true", help="fewer files and runs, to try the benchmarks out"
    )
    parser.add_argument(
        "--results", type=Path, help="the folder to write the table, figures and plots to"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
