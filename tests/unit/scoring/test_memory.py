"""Scoring takes the same memory for files of any length."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sklearn.dummy import DummyRegressor

from worker.interfaces import OutputForm, Range, ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring import score as scoring

MIB = 2**20
HEADER = b"id,a,b,c\n"
ROWS = b"".join(b'%d,%d.25,0.125,"%s"\n' % (n, n, b"x" * 400) for n in range(2_000))
BAD = b"bad\n" * 20


class Endless:
    """A file of that size which is never held in memory."""

    first = HEADER

    def __init__(self, size: int) -> None:
        self._times = size // len(ROWS + BAD)
        self.size = len(HEADER) + self._times * len(ROWS + BAD)

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        assert list(ranges) == [(len(HEADER), self.size)]
        for _ in range(self._times):
            yield ROWS + BAD

    def reserve(self, size: int) -> None:
        raise AssertionError(size)


class Nowhere:
    def open(self, form: OutputForm) -> None:
        pass

    def write(self, data: bytes) -> None:
        assert len(data) < MIB

    def reject(self, data: bytes) -> None:
        assert len(data) < MIB


def peak_mib(size: int) -> int:
    code = f"from tests.unit.scoring.test_memory import main; main({size})"
    run = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


def main(size: int) -> None:
    model = SklearnPredictor(DummyRegressor().fit([[1, 2]], [3]))
    model.feature_names_in_ = ("a", "b")
    scoring.score(Endless(size), model, ScoreOptions(max_rejected=0.5), Nowhere())
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].removesuffix("kB")) // 1024)  # noqa: T201 - what the test reads


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of one process")
def test_five_times_the_file_takes_no_more_memory() -> None:
    assert peak_mib(200 * MIB) < 1.1 * peak_mib(40 * MIB)
