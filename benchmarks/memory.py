"""python -m benchmarks.memory: peak memory of a worker for inputs of one shape and growing size.

Every run is a real `python -m worker` on the local cloud, and predicts with a logistic regression
on twenty floats. The last run of each row has sixteen files at once. Each run's figures are printed
when the run ends, and a Markdown table at the end.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.generated_files import FORMATS, TITLES
from benchmarks.harness.page_blocks import write_block
from benchmarks.harness.report import MB
from benchmarks.memory_run import (
    BASE_MB,
    PROCESS_MB,
    MemoryRun,
    allowed_mb,
    run_worker,
    train_model,
)
from tests.support.scenario import Endpoint
from tidegate.localcloud.cloud import local_cloud

PAGE, BLOCK = Path(__file__).parents[1] / "docs" / "memory.md", "figures"
PROCESSES = {"csv": (1, 2, 4), "csv.gz": (2, 4)}  # of the other formats:
PROCESSES_OF_OTHERS = (2,)
PROGRESS = (
    f"{'format':<8} {'processes':>9} {'files':>5} {'MB each':>8} {'stored':>7} {'rows in all':>11} "
    f"{'seconds':>8} {'CPU s':>6} {'peak MB':>8} {'root MB':>11}"
)

Kind = tuple[str, int]  # the format and the number of pool processes
Size = tuple[int, int]  # how many files at once, and the megabytes of each


def main() -> int:
    """Measure all kinds and sizes, and print a table."""
    arguments = _parser().parse_args()
    sizes = [(1, megabytes) for megabytes in arguments.megabytes]
    if arguments.many:
        sizes.append((arguments.many, arguments.many_megabytes))
    kinds = [
        (name, processes)
        for name in arguments.formats
        for processes in PROCESSES.get(name, PROCESSES_OF_OTHERS)
    ]
    print(PROGRESS, file=sys.stderr)
    runs = asyncio.run(_measure(kinds, sizes))
    peaks = {
        kind: [result.tree.peak_bytes / MB for result in results] for kind, results in runs.items()
    }
    lines = [*table(peaks, sizes), "", f"Measured on {datetime.now(UTC).date()}."]
    print("\n".join(lines))
    if arguments.write:
        write_block(PAGE, BLOCK, lines)
    return 0


async def _measure(kinds: Sequence[Kind], sizes: Sequence[Size]) -> dict[Kind, list[MemoryRun]]:
    runs: dict[Kind, list[MemoryRun]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        model = train_model(Path(folder))
        for kind, found in runs.items():
            for size in sizes:
                found.append(await _run(model, kind, size))
                print(_progress(kind, size, found[-1]), file=sys.stderr)
    return runs


async def _run(model: Path, kind: Kind, size: Size) -> MemoryRun:
    (name, processes), (files, megabytes) = kind, size
    async with local_cloud() as cloud:  # a new one: the cloud keeps objects in memory
        return await run_worker(
            Endpoint(cloud.url, "memory"),
            model,
            name,
            files=files,
            size=megabytes * MB,
            processes=processes,
        )


def _progress(kind: Kind, size: Size, result: MemoryRun) -> str:
    (name, processes), (files, megabytes) = kind, size
    return (
        f"{name:<8} {processes:>9} {files:>5} {megabytes:>8,} "
        f"{result.stored / files / MB:>7,.0f} {result.rows:>11,} {result.seconds:>8.1f} "
        f"{result.tree.cpu_seconds:>6.1f} {result.tree.peak_bytes / MB:>8.0f} "
        f"{result.tree.peak_root_bytes / MB:>11.0f}"
    )


def table(peaks: Mapping[Kind, Sequence[float]], sizes: Sequence[Size]) -> Iterator[str]:
    """Yield the lines of a table of peak MB by format, processes and size, with the bound."""
    heads = [f"{size:,} MB" if files == 1 else f"{files} x {size:,} MB" for files, size in sizes]
    bound = f"{BASE_MB} MB + {PROCESS_MB} MB a process"
    yield f"| file | pool processes | {' | '.join(heads)} | {bound} |"
    yield f"|---|--:|{'--:|' * len(heads)}--:|"
    for (name, processes), found in peaks.items():
        measured = " | ".join(f"{peak:.0f}" for peak in found)
        yield f"| {TITLES[name]} | {processes} | {measured} | {allowed_mb(processes)} |"


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
        default=[50, 2000],
        help="the sizes of a file before compression (50 2000)",
    )
    parser.add_argument(
        "--many", type=int, default=16, help="how many files the last run has at the same time (16)"
    )
    parser.add_argument(
        "--many-megabytes", type=int, default=50, help="the size of each of those files (50)"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/memory.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
