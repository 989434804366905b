"""A short form of what `python -m benchmarks.memory` measures: memory does not grow with a file."""

from pathlib import Path

from benchmarks.harness.report import MB
from benchmarks.memory_run import run_worker, train_model
from tests.support.scenario import Endpoint
from tidegate.localcloud.system import System


async def test_ten_times_the_file_takes_no_more_memory(system: System, tmp_path: Path) -> None:
    model = train_model(tmp_path)
    peaks = {}
    for megabytes in (20, 200):
        endpoint = Endpoint(system.cloud.url, f"memory-{megabytes}")
        taken = await run_worker(endpoint, model, "csv", files=1, size=megabytes * MB)
        peaks[megabytes] = round(taken.tree.peak_bytes / MB)
    # What a first file sets up is not yet there in full while a small one is read.
    assert peaks[200] < 1.25 * peaks[20], f"peak MB by MB of input: {peaks}"
