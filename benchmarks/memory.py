"""python -m benchmarks.memory: peak memory of a worker for inputs of one shape and growing size.

Every run is a real `python -m worker` with one pool process on the local cloud, and predicts with a
logistic regression on twenty floats. The last run of each format has sixteen files at once. Each
run's figures are printed when the run ends, and a Markdown table at the end.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness.generated_files import FORMATS
from benchmarks.harness.report import MB
from benchmarks.memory_run import MemoryRun, run_worker, train_model
from tests.support.scenario import Endpoint
from tidegate.localcloud.cloud import local_cloud

PROGRESS = (
    f"{'format':<8} {'files':>5} {'MB each':>8} {'stored':>7} {'rows in all':>11} {'seconds':>8} "
    f"{'CPU s':>6} {'peak MB':>8} {'root MB':>11}"
)


def main() -> int:
    """Measure all formats and sizes, and print a table."""
    arguments = _parser().parse_args()
    sizes = [(1, megabytes) for megabytes in arguments.megabytes]
    if arguments.many:
        sizes.append((arguments.many, arguments.many_megabytes))
    print(PROGRESS, file=sys.stderr)
    runs = asyncio.run(_measure(arguments.formats, sizes))
    print("\n".join(_table(runs, sizes)))
    return 0


async def _measure(
    formats: Sequence[str], sizes: Sequence[tuple[int, int]]
) -> dict[str, list[MemoryRun]]:
    runs: dict[str, list[MemoryRun]] = {name: [] for name in formats}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        model = train_model(Path(folder))
        for name, found in runs.items():
            for files, megabytes in sizes:
                async with local_cloud() as cloud:  # a new one: the cloud keeps objects in memory
                    endpoint = Endpoint(cloud.url, "memory")
                    result = await run_worker(
                        endpoint, model, name, files=files, size=megabytes * MB
                    )
                found.append(result)
                print(_progress(name, files, megabytes, result), file=sys.stderr)
    return runs


def _progress(name: str, files: int, megabytes: int, result: MemoryRun) -> str:
    return (
        f"{name:<8} {files:>5} {megabytes:>8,} {result.stored / files / MB:>7,.0f} "
        f"{result.rows:>11,} {result.seconds:>8.1f} {result.tree.cpu_seconds:>6.1f} "
        f"{result.tree.peak_bytes / MB:>8.0f} {result.tree.peak_root_bytes / MB:>11.0f}"
    )


def _table(runs: dict[str, list[MemoryRun]], sizes: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Yield the lines of a table of peak MB by format and size."""
    heads = [f"{size:,} MB" if files == 1 else f"{files} x {size:,} MB" for files, size in sizes]
    yield f"| format | {' | '.join(heads)} |"
    yield f"|---|{'---|' * len(heads)}"
    for name, found in runs.items():
        peaks = " | ".join(f"{result.tree.peak_bytes / MB:.0f}" for result in found)
        yield f"| {name} | {peaks} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=FORMATS,
        default=list(FORMATS),
        help="the formats to measure (all)",
    )
    parser.add_argument(
        "--megabytes",
        type=int,
        nargs="*",
        default=[50, 500, 2000],
        help="the sizes of a file before compression (50 500 2000)",
    )
    parser.add_argument(
        "--many", type=int, default=16, help="how many files the last run has at the same time (16)"
    )
    parser.add_argument(
        "--many-megabytes", type=int, default=50, help="the size of each of those files (50)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
