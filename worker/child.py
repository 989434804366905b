"""What runs inside a pool process; the event loop's process imports it, but none of its libraries.

numpy, pandas and scikit-learn are imported only once the thread counts are set: OpenBLAS and OpenMP
read them when they are loaded.
"""

# ruff: noqa: PLC0415 - see above
import fcntl
import io
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from worker.errors import ModelError, TidegateError, TransientError
from worker.scored import Scored, ScoreOptions

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SIZE = struct.Struct("!Q")  # of the pickle that follows it

# The kernel adds this many thousandths of all memory to what a process uses, and kills the greatest
# sum: less than 1000, and a worker with its hands full of files could outweigh the job that ate the
# memory. Among pool processes, which all have it, the greatest is still the one to go.
OOM_SCORE_ADJ = 1000

T = TypeVar("T")
Score = Callable[[bytes, ScoreOptions], Scored]


class Plan(Protocol):
    """What a pool process is for."""

    def load(self) -> Score:
        """Make what predicts a file; raises ModelError."""
        ...


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Which model a process loads, and how it behaves."""

    path: Path
    method: Literal["auto", "predict", "predict_proba", "decision_function"]
    factory: str | None
    threads: int
    log_format: Literal["console", "json"]
    log_level: str

    def load(self) -> Score:
        """Load the model; raises ModelError."""
        for name in THREAD_VARIABLES:
            os.environ[name] = str(self.threads)

        from worker import logs
        from worker.models import load_predictor
        from worker.scoring import score

        logs.configure(self.log_format, self.log_level)
        predictor = load_predictor(self.path, method=self.method, factory=self.factory)
        return lambda body, options: score(body, predictor, options)


def serve(line: socket.socket, plan: Plan) -> None:
    """Load the model, then predict file after file until the line is cut.

    Three things are answered, each with a value or with the error in its place: the model loaded, a
    job taken, a file predicted.
    """
    _adapt()
    with suppress(EOFError, ConnectionError), line, line.makefile("rwb") as stream:
        score = _attempt(plan.load, otherwise=ModelError)
        if isinstance(score, TidegateError):
            _answer(stream, score)
            return
        _answer(stream, None)
        while True:
            _predict_next(stream, score)


def _adapt() -> None:
    """Heed the parent alone, do not outlive it, and let the kernel kill this process before it."""
    # Ctrl-C reaches the whole process group, and must not kill a prediction the drain waits for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _die_with_parent()
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJ))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        # The end of the parent's pipe is all that can still happen to it. The kernel answers with a
        # kill: a thread has to wait for a C call that keeps the interpreter's lock.
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, os.O_ASYNC)
    # Everywhere else, and for a parent that has ended already.
    threading.Thread(target=_join_and_exit, args=(parent,), daemon=True, name="parent").start()


def _join_and_exit(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _predict_next(stream: io.BufferedRWPair, score: Score) -> None:
    options, size = pickle.load(stream)  # noqa: S301 - from our own parent
    # Before the body is read: a process that dies without this answer did not die of the job.
    _answer(stream, None)
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    _answer(stream, _attempt(lambda: score(body, options), otherwise=TransientError))


def _attempt(call: Callable[[], T], *, otherwise: type[TidegateError]) -> T | TidegateError:
    """What the call returns, or what it raises as one of our own errors."""
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - not even SystemExit may leave it unanswered
        return _portable(error, otherwise)


def _portable(error: BaseException, otherwise: type[TidegateError]) -> TidegateError:
    # An error of a library's or a plug-in's own would make the event loop's process import it.
    ours = [kind for kind in type(error).__mro__ if kind.__module__ == TidegateError.__module__]
    said = ours[0](str(error)) if ours else otherwise(f"{type(error).__name__}: {error}")
    # Pickling drops the traceback, but not the notes.
    said.add_note("In the pool process:\n" + "".join(traceback.format_exception(error)))
    return said


def _answer(stream: io.BufferedRWPair, outcome: object) -> None:
    frame = pickle.dumps(outcome)
    stream.write(SIZE.pack(len(frame)))
    stream.write(frame)
    stream.flush()
