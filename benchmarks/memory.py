"""python -m benchmarks.memory: peak memory of a worker for inputs of one shape and growing size.

Every run is a real `python -m worker` with one pool process on the local cloud, with a logistic
regression on twenty floats; the last one of each format has sixteen files at once. What each took
is told as it ends, and the table at the end is Markdown.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.runs import MB, Run, model_file, run
from benchmarks.tables import FORMATS
from tests.support.scenario import Endpoint
from tidegate.localcloud.cloud import local_cloud

PROGRESS = (
    f"{'format':<8} {'files':>5} {'MB each':>8} {'stored':>7} {'rows in all':>11} {'seconds':>8} "
    f"{'CPU s':>6} {'peak MB':>8} {'of it loop':>11}"
)


def main() -> int:
    """Measure, and print a table."""
    asked = _parser().parse_args()
    sizes = [(1, megabytes) for megabytes in asked.megabytes]
    if asked.many:
        sizes.append((asked.many, asked.many_megabytes))
    print(PROGRESS, file=sys.stderr)
    runs = asyncio.run(_measure(asked.formats, sizes))
    print("\n".join(_table(runs, sizes)))
    return 0


async def _measure(
    formats: Sequence[str], sizes: Sequence[tuple[int, int]]
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in formats}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        model = model_file(Path(folder))
        for name, found in runs.items():
            for files, megabytes in sizes:
                async with local_cloud() as cloud:  # a new one, as it keeps all in memory
                    endpoint = Endpoint(cloud.url, "memory")
                    taken = await run(endpoint, model, name, files=files, size=megabytes * MB)
                found.append(taken)
                print(_told(name, files, megabytes, taken), file=sys.stderr)
    return runs


def _told(name: str, files: int, megabytes: int, taken: Run) -> str:
    return (
        f"{name:<8} {files:>5} {megabytes:>8,} {taken.stored / files / MB:>7,.0f} "
        f"{taken.rows:>11,} {taken.seconds:>8.1f} {taken.tree.cpu_seconds:>6.1f} "
        f"{taken.tree.peak_bytes / MB:>8.0f} {taken.tree.peak_root_bytes / MB:>11.0f}"
    )


def _table(runs: dict[str, list[Run]], sizes: Sequence[tuple[int, int]]) -> Iterator[str]:
    """Peak MB by format and size, and by how much the largest of a format is above the least."""
    heads = [f"{size:,} MB" if files == 1 else f"{files} x {size:,} MB" for files, size in sizes]
    yield f"| format | {' | '.join(heads)} |"
    yield f"|---|{'---|' * len(heads)}"
    for name, found in runs.items():
        peaks = " | ".join(f"{taken.tree.peak_bytes / MB:.0f}" for taken in found)
        yield f"| {name} | {peaks} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument(
        "--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="of the files (all)"
    )
    parser.add_argument(
        "--megabytes",
        type=int,
        nargs="*",
        default=[50, 500, 2000],
        help="of one file, before compression (50 500 2000)",
    )
    parser.add_argument("--many", type=int, default=16, help="files at once in the last run (16)")
    parser.add_argument("--many-megabytes", type=int, default=50, help="of each of those (50)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
