"""A worker's memory does not grow with a file.

Each process notes the most that it allocated: Python, numpy, pandas and Arrow. The resident set,
which the kernel and other programs change, is measured by `python -m benchmarks.memory`.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.report import MB
from benchmarks.memory_run import run_worker, train_model
from tests.support.scenario import Endpoint
from tidegate.localcloud.system import System

# A job's window, and the parts of its output: a small file need not fill these.
FILLED_MB = 50

# Runs `python -m worker`, and notes the worker's own peak at its end.
WORKER = """
import runpy, sys, tracemalloc
from pathlib import Path

folder = Path(sys.argv.pop())
tracemalloc.start()
try:
    runpy.run_module("worker", run_name="__main__", alter_sys=True)
finally:
    (folder / "worker").write_text(str(tracemalloc.get_traced_memory()[1]))
"""
PREDICTOR = '''
import os
import tracemalloc

import joblib
import pyarrow as pa

from worker.models import SklearnPredictor


class Noting(SklearnPredictor):
    """The pickled model, which notes the peak of its process after each batch."""

    def __init__(self, path):
        super().__init__(joblib.load(path))
        self.folder = path.parent
        tracemalloc.start()

    def predict(self, frame):
        predictions = super().predict(frame)
        peak = tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory()
        (self.folder / f"pool process {os.getpid()}").write_text(str(peak))
        return predictions
'''


@dataclass
class MeasuredEndpoint(Endpoint):
    """An endpoint whose worker notes its memory in a folder."""

    folder: Path = Path()

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.folder / "noting.py").write_text(PREDICTOR)
        self.environment |= {
            "PYTHONPATH": str(self.folder),
            "WORKER_PREDICTOR": "noting:Noting",
            "WORKER_PREDICT_PROCESSES": "2",
        }

    def command(self, _environment: Mapping[str, str]) -> list[str]:
        return [sys.executable, "-c", WORKER, str(self.folder)]

    def peak_mb(self) -> dict[str, float]:
        """Return the peaks of the worker and of the larger pool process, in MB."""
        return {
            name: max(int(path.read_text()) for path in self.folder.glob(f"{name}*")) / MB
            for name in ("worker", "pool process")
        }


async def test_ten_times_the_file_takes_no_more_memory(system: System, tmp_path: Path) -> None:
    model = train_model(tmp_path)
    peaks = {}
    for megabytes in (20, 200):
        endpoint = MeasuredEndpoint(system.cloud.url, f"memory-{megabytes}", folder=tmp_path)
        await run_worker(endpoint, model, "csv", files=1, size=megabytes * MB)
        peaks[megabytes] = endpoint.peak_mb()
    for name, peak in peaks[200].items():
        assert peak < peaks[20][name] + FILLED_MB, f"peak MB by MB of input: {peaks}"
