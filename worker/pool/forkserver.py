"""What pool processes are forked from: a process of its own, with the libraries imported once.

Its children share the memory those take, and begin with them. It runs nothing but imports: the few
threads that these start are OpenBLAS's and jemalloc's, who end and restart theirs around a fork.
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

# The estimators that most models are made of: beside the rest they cost nothing.
LIBRARIES = (
    "worker.scoring.score",
    "worker.models",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
)


def start(threads: int, libraries: Sequence[str] = LIBRARIES) -> None:
    """Start it, without waiting for its imports; what it forks computes with so many threads."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)
    multiprocessing.set_forkserver_preload(list(libraries))
    ensure_running()


def ensure_running() -> None:
    """Start it if it does not run, deaf to stop signals, which a whole group may be sent."""
    resource_tracker.ensure_running()  # first, as it lifts the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def ready() -> None:
    """Wait for its imports: to fork a process before that would stop the event loop."""
    await asyncio.to_thread(_fork_one)


def _fork_one() -> None:
    # A forkserver that cannot do it fails whoever really needs a process.
    with suppress(OSError, EOFError):
        process = multiprocessing.get_context("forkserver").Process()  # which does nothing
        process.start()
        process.join()
        process.close()
