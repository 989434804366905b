"""Scoring takes the same memory for files of any length.

What is measured is what Python, numpy, pandas and Arrow allocate. The resident set, which the
kernel and other programs change, is measured by `python -m benchmarks.memory`.
"""

import gzip
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
from sklearn.dummy import DummyRegressor

from worker.interfaces import OutputForm, Range, ScoreOptions
from worker.models import SklearnPredictor
from worker.scoring import score as scoring

MIB = 2**20
HEADER = b"id,a,b,c\n"
ROWS = b"".join(b'%d,%d.25,0.125,"%s"\n' % (n, n, b"x" * 400) for n in range(2_000))
REPEATED = ROWS + b"bad\n" * 20


class Endless:
    """A file of that many bytes of text which is never held in memory: plain, or in gzip."""

    def __init__(self, size: int, *, in_gzip: bool) -> None:
        # Not smaller, so that also the smaller file is large enough for parts.
        pack = partial(gzip.compress, compresslevel=0) if in_gzip else bytes
        self.first, self._repeated = pack(HEADER), pack(REPEATED)
        self.size = len(self.first) + size // len(REPEATED) * len(self._repeated)

    def read(self, ranges: Sequence[Range]) -> Iterator[bytes]:
        for start, end in ranges:
            position = start
            while position < end:
                if position < len(self.first):
                    piece = self.first[position:end]
                else:
                    place = (position - len(self.first)) % len(self._repeated)
                    piece = self._repeated[place : place + end - position]
                yield piece
                position += len(piece)

    def reserve(self, size: int) -> None:
        raise AssertionError(size)


class Nowhere:
    def open(self, form: OutputForm) -> None:
        pass

    def write(self, data: bytes) -> None:
        assert len(data) < MIB

    def reject(self, data: bytes) -> None:
        assert len(data) < MIB


def peak_bytes(size: int, *, in_gzip: bool = False) -> int:
    """Score a file of that size in a process of its own, and return the most it allocated."""
    code = f"from tests.unit.scoring.test_memory import main; main({size}, {in_gzip})"
    run = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return int(run.stdout)


def main(size: int, in_gzip: bool) -> None:
    model = SklearnPredictor(DummyRegressor().fit([[1, 2]], [3]))
    model.feature_names_in_ = ("a", "b")
    tracemalloc.start()
    file = Endless(size, in_gzip=in_gzip)
    scoring.score(file, model, ScoreOptions(max_rejected=0.5), Nowhere())
    peak = tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory()
    print(peak)  # noqa: T201 - what the test reads


def test_five_times_the_file_takes_no_more_memory() -> None:
    assert peak_bytes(100 * MIB) < 1.1 * peak_bytes(20 * MIB)


def test_a_larger_compressed_file_takes_no_more_memory() -> None:
    large, small = (peak_bytes(size * MIB, in_gzip=True) for size in (100, 40))
    assert large < 1.1 * small
    assert large < 64 * MIB  # some parts of 8 MiB
