"""Measure the memory of one worker run: upload files, run a worker on them, watch its processes."""

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from benchmarks.harness.generated_files import COLUMNS, FORMATS, PieceReader
from benchmarks.harness.process_tree import ProcessTree
from tests.support.scenario import Endpoint

BASE_MB, PROCESS_MB = 400, 60


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """What a worker used for some files; `stored` is the size of all of them in S3."""

    rows: int
    stored: int
    seconds: float
    tree: ProcessTree


def allowed_mb(processes: int) -> int:
    """Return the peak memory, in MB, that a worker with so many pool processes may have."""
    return BASE_MB + PROCESS_MB * processes


def train_model(folder: Path) -> Path:
    """Train a logistic regression on the floats of a generated file, and save it."""
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(COLUMNS)]
    frame = pd.DataFrame(random.normal(size=(1000, COLUMNS)), columns=names)
    path = folder / "model.pkl"
    joblib.dump(LogisticRegression().fit(frame, random.integers(0, 2, 1000)), path)
    return path


async def run_worker(
    endpoint: Endpoint, model: Path, name: str, *, files: int, size: int, processes: int = 2
) -> MemoryRun:
    """Predict so many files of a format at the same time, each of that size before compression.

    Raises RuntimeError if a row is not predicted.
    """
    rows = stored = 0
    for number in range(files):
        file_rows, file_bytes = await asyncio.to_thread(
            _submit, endpoint, f"{number}.{name}", name, size
        )
        rows, stored = rows + file_rows, stored + file_bytes
    started = time.monotonic()
    with (
        endpoint.started(
            WORKER_MODEL=str(model),
            WORKER_IDLE_SECONDS="0",
            WORKER_CONCURRENCY=str(files),
            WORKER_PREDICT_PROCESSES=str(processes),
        ) as running,
        ProcessTree(running.process.pid) as tree,
    ):
        ended = await asyncio.to_thread(running.ended)
    seconds = time.monotonic() - started
    if sum(int(str(done["rows"])) for done in ended.said("job done")) != rows:
        raise RuntimeError(f"not all of {rows} rows were predicted: {ended.stderr}")
    return MemoryRun(rows, stored, seconds, tree)


def _submit(endpoint: Endpoint, key: str, name: str, size: int) -> tuple[int, int]:
    """Upload a file while it is generated, send its message, and return its rows and bytes."""
    client: Any = endpoint.s3
    file = FORMATS[name](size)
    client.upload_fileobj(PieceReader(file.pieces), endpoint.input, key)
    head = client.head_object(Bucket=endpoint.input, Key=key)
    known = {"size": head["ContentLength"], "etag": head["ETag"].strip('"')}
    endpoint.send(json.dumps(endpoint.job(key) | known))
    return file.rows, head["ContentLength"]
