"""The parent and the pool processes use freed memory again, without new pages from the kernel."""

import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource
def work():
    for _ in range(20):
        pieces = [bytes(b"x" * (3 << 20)) for _ in range(4)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PARENT = """
import asyncio
from worker.pool.pool import open_pool
async def main():
    async with open_pool(None, 0):
        exec(work)
asyncio.run(main())
"""
PAGES_OF_ONE_ROUND = (12 << 20) // 4096


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library's settings")
@pytest.mark.parametrize(
    "prepared", ["import worker.pool.preload\nexec(work)", PARENT], ids=["forkserver", "parent"]
)
def test_freed_pieces_of_a_file_are_used_again(prepared: str) -> None:
    assert _faults("exec(work)") > 10 * PAGES_OF_ONE_ROUND  # else nothing is shown
    assert _faults(prepared) < PAGES_OF_ONE_ROUND


def _faults(program: str) -> int:
    program = f"work = {COUNT_FAULTS!r}\n{program}"
    # The forkserver prints to standard error only.
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return int(done.stdout)
