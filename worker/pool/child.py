"""What runs inside a pool process; the event loop's process imports it, but none of its libraries.

Those are there from the fork on, when the forkserver has imported them.
"""

# ruff: noqa: PLC0415 - see above
import fcntl
import gc
import multiprocessing
import os
import signal
import socket
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
from worker.interfaces import InputReader, OutputSink, PredictMethod, ScoreOptions, ScoreResult
from worker.pool.child_channel import ChildChannel

# The kernel adds this many thousandths of all memory to what a process uses, and kills the greatest
# sum: less than 1000, and a worker with its hands full of files could outweigh the job that ate the
# memory. Among pool processes, which all have it, the greatest is still the one to go.
OOM_SCORE_ADJ = 1000

T = TypeVar("T")
Score = Callable[[InputReader, ScoreOptions, OutputSink], ScoreResult]


class Plan(Protocol):
    """What a pool process is for."""

    def load(self) -> Score:
        """Make what predicts a file; raises ModelError."""
        ...


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Which model a process loads, and how it behaves."""

    path: Path
    method: PredictMethod
    factory: str | None
    log_format: Literal["console", "json"]
    log_level: str

    def load(self) -> Score:
        """Load the model; raises ModelError."""
        from worker import logs
        from worker.models import load_predictor
        from worker.scoring.score import score

        logs.configure(self.log_format, self.log_level)
        predictor = load_predictor(self.path, method=self.method, factory=self.factory)
        return lambda reader, options, output: score(reader, predictor, options, output)


def serve(sock: socket.socket, plan: Plan) -> None:
    """Load the model, then predict file after file until the line is cut.

    The first answer says that the model is loaded, or holds the error in its place.
    """
    _adapt()
    with suppress(EOFError, ConnectionError), sock, sock.makefile("rwb") as stream:
        line = ChildChannel(stream)
        score = _attempt(plan.load, otherwise=ModelError)
        if isinstance(score, TidegateError):
            line.say(score)
            return
        line.say(None)
        while True:
            predict_next(line, score)


def predict_next(line: ChildChannel, score: Score) -> None:
    """Predict a file; raises EOFError when there is none, or the rest of it never comes."""
    options = line.take()
    line.end(_attempt(lambda: score(line, options, line), otherwise=TransientError))


def _adapt() -> None:
    """Heed the parent alone, do not outlive it, and let the kernel kill this process before it."""
    gc.freeze()  # a collection writes to all that it looks at, and what is written to is not shared
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
