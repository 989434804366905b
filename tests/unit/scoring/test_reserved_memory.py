"""A job that needs more memory is started again with what it asked for, as seldom as possible."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from tests.support.fakes.input_reader import MemoryInput, MemoryOutput
from tests.support.tables import csv, json_lines, parquet
from worker.errors import NeedsMemory
from worker.interfaces import ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring import score as scoring

KIB, MIB = 2**10, 2**20
MODEL = SklearnPredictor(DummyRegressor().fit(pd.DataFrame({"x": [1, 2]}), [3.0, 3.0]))
DRAW = np.random.default_rng(3)
WIDE = pd.DataFrame({"id": [DRAW.bytes(250).hex() for _ in range(4000)], "x": DRAW.random(4000)})
BODIES = {"csv": csv(WIDE), "jsonl": json_lines(WIDE), "parquet": parquet(WIDE)}


class LimitedInput(MemoryInput):
    """Ends the job, as a pool process does, where it asks for more than is reserved for it."""

    def __init__(self, body: bytes, reserved_bytes: int) -> None:
        super().__init__(body, first=1000)
        self._reserved_bytes = reserved_bytes

    def reserve(self, size: int) -> None:
        assert size > self._reserved_bytes, "a job asked for what is reserved for it already"
        raise NeedsMemory(str(size))


def run(body: bytes, reserved_bytes: int) -> tuple[bytes, list[int]]:
    """Start the job until it has enough memory: its output, and what was reserved each time."""
    reserved = [reserved_bytes]
    while True:
        options = ScoreOptions(
            reserved_bytes=reserved[-1], memory_bytes=4 * MIB, keep_columns=("*",)
        )
        output = MemoryOutput()
        try:
            scoring.score(LimitedInput(body, reserved[-1]), MODEL, options, output)
        except NeedsMemory as more:
            reserved.append(more.size)
        else:
            return output.output, reserved


@pytest.mark.parametrize("file_format", BODIES)
def test_a_job_that_has_enough_memory_never_starts_again(file_format: str) -> None:
    _, reserved = run(BODIES[file_format], 3 * MIB)
    assert reserved == [3 * MIB]


@pytest.mark.parametrize("file_format", BODIES)
def test_each_start_has_so_much_more_memory_that_few_are_needed(file_format: str) -> None:
    _, reserved = run(BODIES[file_format], 600 * KIB)
    assert 2 <= len(reserved) <= 4
    assert reserved[-1] <= 4 * MIB


@pytest.mark.parametrize("file_format", BODIES)
def test_the_output_does_not_depend_on_the_memory(file_format: str) -> None:
    outputs = {run(BODIES[file_format], size)[0] for size in (100 * KIB, 600 * KIB, 3 * MIB)}
    assert len(outputs) == 1
