"""python -m benchmarks.harness.run_copies COPIES MODULE: run copies of a program and measure them.

Prints one line of JSON when the last process of the tree has ended. The kernel counts the CPU time
of every process that was started, at any depth and however short-lived: this process is the
subreaper, so it waits for orphans too.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.harness.process_tree import ProcessTree

PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the copies, print what they used, and return the highest of their exit statuses."""
    copies, module = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    started = time.monotonic()
    with ProcessTree(os.getpid()) as tree:
        roots = [_start(module) for _ in range(copies)]
        signal.signal(signal.SIGTERM, lambda *_: _stop(roots))
        status = max(_wait({root.pid for root in roots}))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        "started": started,
        "ended": time.monotonic(),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": tree.peak_bytes - tree.peak_root_bytes,
        "series": tree.series,
    }
    print(json.dumps(measured))
    return status


def _start(module: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - modules of the harness and the worker
        [sys.executable, "-m", module], stdout=subprocess.DEVNULL
    )


def _stop(roots: Sequence[subprocess.Popen[bytes]]) -> None:
    for root in roots:
        root.terminate()


def _wait(roots: set[int]) -> list[int]:
    """Wait for every descendant; return the exit statuses of the copies."""
    statuses: list[int] = []
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return statuses
        if pid in roots:
            statuses.append(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    sys.exit(main())
