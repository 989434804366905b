"""One run: files into the local cloud, a real worker over them, and what it took."""

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

from benchmarks.process_tree import ProcessTree
from benchmarks.tables import COLUMNS, FORMATS, Pieces
from tests.support.scenario import Endpoint

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """What a worker took for some files; `stored` is the bytes of all of them."""

    rows: int
    stored: int
    seconds: float
    tree: ProcessTree


def model_file(folder: Path) -> Path:
    """A logistic regression on a table's floats."""
    random = np.random.default_rng(0)
    names = [f"x{number}" for number in range(COLUMNS)]
    frame = pd.DataFrame(random.normal(size=(1000, COLUMNS)), columns=names)
    path = folder / "model.pkl"
    joblib.dump(LogisticRegression().fit(frame, random.integers(0, 2, 1000)), path)
    return path


async def run(endpoint: Endpoint, model: Path, name: str, *, files: int, size: int) -> Run:
    """Predict so many files of a format at once, each of that size before compression.

    Raises RuntimeError when a row is not predicted.
    """
    rows = stored = 0
    for number in range(files):
        made, taken = await asyncio.to_thread(_submit, endpoint, f"{number}.{name}", name, size)
        rows, stored = rows + made, stored + taken
    started = time.monotonic()
    with (
        endpoint.started(
            WORKER_MODEL=str(model), WORKER_IDLE_SECONDS="0", WORKER_CONCURRENCY=str(files)
        ) as running,
        ProcessTree(running.process.pid) as tree,
    ):
        ended = await asyncio.to_thread(running.ended)
    seconds = time.monotonic() - started
    if sum(int(str(done["rows"])) for done in ended.said("job done")) != rows:
        raise RuntimeError(f"not all of {rows} rows were predicted: {ended.stderr}")
    return Run(rows, stored, seconds, tree)


def _submit(endpoint: Endpoint, key: str, name: str, size: int) -> tuple[int, int]:
    """Send a file as it is made, and its message; how many rows and bytes it has."""
    client: Any = endpoint.s3
    table = FORMATS[name](size)
    client.upload_fileobj(Pieces(table.pieces), endpoint.input, key)
    head = client.head_object(Bucket=endpoint.input, Key=key)
    known = {"size": head["ContentLength"], "etag": head["ETag"].strip('"')}
    endpoint.send(json.dumps(endpoint.job(key) | known))
    return table.rows, head["ContentLength"]
