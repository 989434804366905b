"""python -m benchmarks.memory: peak memory of a worker for inputs of one shape and growing size.

Every run is a real `python -m worker` with one pool process on the local cloud, with a logistic
regression on twenty floats; the last one has sixteen files at once. The cloud's own memory, where
the objects are, does not count.
"""

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from benchmarks.process_tree import ProcessTree
from benchmarks.tables import COLUMNS, CsvFile
from tests.scenario import Endpoint
from tidegate.cloud import local_cloud

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """What a worker took for some files."""

    files: int
    megabytes: int
    rows: int
    seconds: float
    tree: ProcessTree

    def __str__(self) -> str:
        return (
            f"{self.files:>5} {self.megabytes:>9,} {self.rows:>12,} {self.seconds:>9.1f} "
            f"{self.tree.cpu_seconds:>7.1f} {self.tree.peak_bytes / MB:>9.0f} "
            f"{self.tree.peak_root_bytes / MB:>11.0f}"
        )


HEADER = (
    f"{'files':>5} {'MB each':>9} {'rows in all':>12} {'seconds':>9} {'CPU s':>7} "
    f"{'peak MB':>9} {'of it loop':>11}"
)


def main() -> int:
    """Measure, and print a table."""
    asked = _parser().parse_args()
    print(HEADER, flush=True)
    asyncio.run(_measure(asked.megabytes, asked.many, asked.many_megabytes))
    return 0


async def _measure(sizes: Sequence[int], many: int, many_megabytes: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        model = _model(Path(folder))
        for number, (files, megabytes) in enumerate(
            [*((1, size) for size in sizes), (many, many_megabytes)]
        ):
            if files:
                async with local_cloud() as cloud:  # a new one, as it keeps all in memory
                    endpoint = Endpoint(cloud.url, f"memory-{number}")
                    print(
                        await asyncio.to_thread(_run, endpoint, model, files, megabytes), flush=True
                    )


def _model(folder: Path) -> Path:
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(COLUMNS)]
    frame = pd.DataFrame(random.normal(size=(1000, COLUMNS)), columns=names)
    path = folder / "model.pkl"
    joblib.dump(LogisticRegression().fit(frame, random.integers(0, 2, 1000)), path)
    return path


def _run(endpoint: Endpoint, model: Path, files: int, megabytes: int) -> Run:
    rows = 0
    client: Any = endpoint.s3
    for number in range(files):
        file = CsvFile(megabytes * MB)
        client.upload_fileobj(file, endpoint.input, f"{number}.csv")
        head = client.head_object(Bucket=endpoint.input, Key=f"{number}.csv")
        known = {"size": file.size, "etag": head["ETag"].strip('"')}
        endpoint.send(json.dumps(endpoint.job(f"{number}.csv") | known))
        rows += file.rows
    environment = endpoint.environment | {
        "WORKER_MODEL": str(model),
        "WORKER_MODEL_SHA256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "WORKER_IDLE_SECONDS": "0",
        "WORKER_CONCURRENCY": str(max(1, files)),
        "WORKER_LOG_LEVEL": "warning",
    }
    started = time.monotonic()
    with (
        subprocess.Popen(
            [sys.executable, "-m", "worker"], env=environment, stdout=subprocess.DEVNULL
        ) as process,
        ProcessTree(process.pid) as tree,
    ):
        if process.wait():
            raise SystemExit("the worker failed")
    seconds = time.monotonic() - started
    for number in range(files):
        size = endpoint.s3.head_object(Bucket=endpoint.output, Key=f"p/{number}.csv")
        assert size["ContentLength"] > rows / files * len("00000000,0.1\n")
    return Run(files, megabytes, rows, seconds, tree)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument(
        "--megabytes",
        type=int,
        nargs="*",
        default=[50, 500, 2000],
        help="of one file (50 500 2000)",
    )
    parser.add_argument("--many", type=int, default=16, help="files at once in the last run (16)")
    parser.add_argument("--many-megabytes", type=int, default=50, help="of each of those (50)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
