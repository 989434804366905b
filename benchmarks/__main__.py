"""python -m benchmarks: measure the worker beside its opponents, on the local cloud.

Every scenario has a cloud of its own, and runs its contenders in turn, round after round. The
cloud's own CPU time and memory do not count, but it works on the same cores.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import (
    big_file,
    cold_start,
    dispatcher,
    latency,
    long_haul,
    many_workers,
    plots,
    small_files,
)
from benchmarks.report import Report
from benchmarks.scenario import Asked
from benchmarks.stage import Stage
from tidegate.localcloud.cloud import local_cloud

RESULTS = Path(__file__).parent / "results"
QUICK_RUNS = 1
RUNS = 5

SCENARIOS: Mapping[str, Callable[[Stage, Asked, Report], None]] = {
    "small-files": small_files.measure,
    "latency": latency.measure,
    "big-file": big_file.measure,
    "cold-start": cold_start.measure,
    "many-workers": many_workers.measure,
    "dispatcher": dispatcher.measure,
    "long-haul": long_haul.measure,
}


def main() -> int:
    """Measure, print the table, save the figures and draw them."""
    options = _parser().parse_args()
    asked = Asked(runs=options.runs or (QUICK_RUNS if options.quick else RUNS), quick=options.quick)
    report = Report()
    for name in options.scenarios or SCENARIOS:
        asyncio.run(_measure(name, asked, report))
    print("\n".join(report.lines()))
    if options.results:
        report.save(options.results)
        plots.draw(report, options.results)
    return 0


async def _measure(name: str, asked: Asked, report: Report) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with local_cloud() as cloud:  # a new one, as it keeps all in memory
            stage = Stage(cloud, Path(folder))
            await asyncio.to_thread(SCENARIOS[name], stage, asked, report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", help=f"all, or some of: {', '.join(SCENARIOS)}"
    )
    parser.add_argument("--runs", type=int, help=f"of each contender ({RUNS})")
    parser.add_argument("--quick", action="store_true", help="less of everything, to try it out")
    parser.add_argument("--results", type=Path, help="a folder for table, figures and plots")
    return parser


if __name__ == "__main__":
    sys.exit(main())
