"""The forkserver: imports the libraries once, and forks every pool process.

The pool processes share the libraries' memory, and start without importing them again. The
forkserver runs nothing but imports. The few threads that these start belong to OpenBLAS and
jemalloc, which both stop their threads before a fork and restart them after it.

Its imports take longer than all else that a start does. So it is started first, and this module
imports what takes time only when that is needed.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker

from worker.cores import threads_of_each, usable_cores

# OpenBLAS and OpenMP read these when they are loaded.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# The scikit-learn modules that most models use: importing them adds little time.
LIBRARIES = (
    "worker.scoring.scorer",
    "worker.models",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.pipeline",
)

_FIRST_IMPORT = "worker.pool.preload"
_started: list[tuple[int, tuple[str, ...]]] = []  # with which threads and libraries
_imported: list[int | None] = []  # the process id of the forkserver that has done its imports


def start(threads: int, libraries: Sequence[str] = LIBRARIES) -> None:
    """Start the forkserver, without waiting for its imports.

    Each process that it forks computes with `threads` threads. A forkserver that was started for
    other libraries or another number of threads is replaced.
    """
    wanted = threads, tuple(libraries)
    if _started != [wanted]:
        stop()
        for name in THREAD_VARIABLES:
            os.environ[name] = str(threads)
        multiprocessing.set_forkserver_preload([_FIRST_IMPORT, *libraries])
        _started[:] = [wanted]
    ensure_running()


def start_early(environment: Mapping[str, str]) -> None:
    """Start the forkserver before the settings are read, for the likely number of processes.

    `start` follows: it corrects a wrong number, and raises the error if no process can be started.
    """
    given = environment.get("WORKER_PREDICT_PROCESSES", "")
    with suppress(OSError, ValueError):
        processes = int(given) if given.isdecimal() else usable_cores()
        start(threads_of_each(max(1, processes)))


def kill() -> None:
    """Kill the forkserver, also in the middle of its imports; a signal handler may call this."""
    pid: int | None = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined] # noqa: SLF001 - nothing else knows it
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop() -> None:
    """Kill the forkserver, and forget it."""
    kill()
    forkserver._forkserver._stop()  # type: ignore[attr-defined] # noqa: SLF001 - as above
    _started.clear()


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
    """Wait until a forkserver runs that has done its imports; raises ProcessLost.

    A fork before that would block the event loop for the imports: at the start of the worker, and
    when the forkserver has died and is started again.
    """
    from worker.errors import ProcessLost, error_text  # noqa: PLC0415 - imports asyncio

    try:
        while (pid := _running()) not in _imported:
            await _in_thread(_fork_one)
            _imported[:] = [pid]
    except (OSError, EOFError) as error:
        raise ProcessLost(f"a process cannot be started: {error_text(error)}") from error


def _running() -> int | None:
    """Return the process id of the forkserver, which is started if it does not run."""
    ensure_running()
    server = forkserver._forkserver  # noqa: SLF001 - nothing else knows it
    pid: int | None = server._forkserver_pid  # type: ignore[attr-defined] # noqa: SLF001
    return pid


def _fork_one() -> None:
    process = multiprocessing.get_context("forkserver").Process()  # does nothing
    process.start()
    process.join()
    process.close()


async def _in_thread(call: Callable[[], None]) -> None:
    """Run a call in a thread of its own, for which no exit of the worker waits if it hangs."""
    import asyncio  # noqa: PLC0415 - slow to import
    from concurrent.futures import Future, InvalidStateError  # noqa: PLC0415 - as above

    result: Future[None] = Future()

    def run() -> None:
        with suppress(InvalidStateError):  # the wait was cancelled
            try:
                call()
            except Exception as error:  # noqa: BLE001 - raised where the result is awaited
                result.set_exception(error)
            else:
                result.set_result(None)

    threading.Thread(target=run, daemon=True, name="forkserver").start()
    await asyncio.wrap_future(result)
