"""The forkserver: imports the libraries once, and forks every pool process.

The pool processes share the libraries' memory, and start without importing them again. The
forkserver runs nothing but imports. The few threads that these start belong to OpenBLAS and
jemalloc, which both stop their threads before a fork and restart them after it.
"""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker

# OpenBLAS and OpenMP read these when they are loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# The scikit-learn modules that most models use: importing them adds little time.
LIBRARIES = (
    "worker.scoring.score",
    "worker.models",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
)


def start(threads: int, libraries: Sequence[str] = LIBRARIES) -> None:
    """Start the forkserver, without waiting for its imports.

    Each process that it forks computes with `threads` threads.
    """
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    multiprocessing.set_forkserver_preload(list(libraries))
    ensure_running()


def ensure_running() -> None:
    """Start the forkserver if it does not run.

    It ignores stop signals, which may be sent to the whole process group.
    """
    resource_tracker.ensure_running()  # first: it unblocks the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def ready() -> None:
    """Wait for its imports: a fork before they are done would block the event loop."""
    await asyncio.to_thread(_fork_one)


def _fork_one() -> None:
    # If the forkserver has failed, the first real process fails with the reason.
    with suppress(OSError, EOFError):
        process = multiprocessing.get_context("forkserver").Process()  # does nothing
        process.start()
        process.join()
        process.close()
