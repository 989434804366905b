"""python -m benchmarks.harness.score_file: score a local file in the worker's pool, without S3.

BENCH_FILE, BENCH_MODEL and BENCH_PROCESSES say what. The last line that it logs has the seconds
from the first byte read to the last byte written, the rows, and the digest of the output.
"""

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from worker.interfaces import OutputForm, Range, ScoreOptions
from worker.pool import forkserver
from worker.pool.model_plan import ModelPlan
from worker.pool.pool import open_pool

FIRST_BYTES = PIECE_BYTES = 5 << 20  # as from S3


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Implements worker.interfaces.AsyncInputReader for a file on the disk."""

    descriptor: int
    size: int

    @property
    def first(self) -> bytes:
        """The first bytes."""
        return os.pread(self.descriptor, FIRST_BYTES, 0)

    async def read(self, ranges: Sequence[Range]) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the ranges in order."""
        for start, stop in ranges:
            for begin in range(start, stop, PIECE_BYTES):
                yield os.pread(self.descriptor, min(stop - begin, PIECE_BYTES), begin)

    def read_ahead(self, start: int, stop: int) -> Self:  # noqa: ARG002 - the file is here already
        """Return this file: there is nothing to download."""
        return self

    async def close(self) -> None:
        """Drop nothing."""


@dataclass(slots=True)
class Digest:
    """Implements worker.interfaces.AsyncOutputSink: keeps the digest of an output alone."""

    sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    async def open(self, form: OutputForm) -> None:
        """Nothing depends on the form here."""

    async def write(self, data: bytes) -> None:
        """Append to the output."""
        self.sha256.update(data)

    async def reject(self, data: bytes) -> None:
        """Append to the rejected rows."""
        raise AssertionError(data)


def main() -> int:
    """Score the file once."""
    plan = ModelPlan(
        path=Path(os.environ["BENCH_MODEL"]),
        original=None,
        source=os.environ["BENCH_MODEL"],
        method="auto",
        factory=None,
        log_format="json",
        log_level="warning",
    )
    # Read, not mapped: pages of a mapped file would be counted as the process's memory.
    path = Path(os.environ["BENCH_FILE"])
    with path.open("rb") as file:
        source = LocalFile(file.fileno(), path.stat().st_size)
        asyncio.run(_score(source, plan, int(os.environ["BENCH_PROCESSES"])))
    return 0


async def _score(file: LocalFile, plan: ModelPlan, processes: int) -> None:
    forkserver.start(threads=1)
    async with open_pool(plan.load, processes) as pool:
        output = Digest()
        started = time.monotonic()
        result = await pool.score(file, ScoreOptions(), output)
        seconds = time.monotonic() - started
    done = {"seconds": seconds, "rows": result.rows, "sha256": output.sha256.hexdigest()}
    print(json.dumps(done), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
