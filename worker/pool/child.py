"""The pool process: loads the model, then predicts one file or part after the other for its parent.

The parent imports this module too, but not the libraries that loading a model takes: the forkserver
has imported them before it forks a pool process.
"""

import fcntl
import gc
import io
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, TypeVar

from worker import quoting
from worker.errors import ModelError, TidegateError, TransientError
from worker.interfaces import (
    CutPart,
    FilePlan,
    InputReader,
    OutputSink,
    Part,
    PartResult,
    PartSink,
    ScoreOptions,
    ScoreResult,
)
from worker.pool.channel import Assignment, ChildChannel, PlannedCut, PlannedPart

# The kernel's OOM killer adds this many thousandths of the whole memory to what a process uses, and
# kills the process with the greatest sum. With less than 1000 it could choose the parent, when that
# holds many files, rather than the job that needs too much. All pool processes have the same score,
# so among them the largest is killed.
OOM_SCORE_ADJ = 1000
STDOUT, STDERR = 1, 2

T = TypeVar("T")


class Scorer(Protocol):
    """Predicts with a model that is loaded."""

    def open_file(
        self, file: InputReader, options: ScoreOptions, output: OutputSink
    ) -> ScoreResult | FilePlan:
        """Predict a file, or return the plan by which it is predicted part by part."""
        ...

    def score_part(
        self, file: InputReader, options: ScoreOptions, plan: FilePlan, part: Part, sink: PartSink
    ) -> PartResult:
        """Predict one part of a file; of a compressed file its text is what comes first."""
        ...

    def score_all_parts(
        self, file: InputReader, options: ScoreOptions, plan: FilePlan, output: OutputSink
    ) -> ScoreResult:
        """Predict a file by its plan, one part after the other."""
        ...

    def cut_part(
        self, file: InputReader, plan: FilePlan, start: int, output: OutputSink
    ) -> CutPart:
        """Write the text of a compressed file's next part; what follows it is kept until then.

        Raises TransientError if another process has unpacked the file so far.
        """
        ...


LoadModel = Callable[[], Scorer]  # raises ModelError; must be picklable


def serve(sock: socket.socket, load_model: LoadModel) -> None:
    """Load the model, then run job after job until the parent closes the channel.

    The first object sent is None once the model is loaded, or the error if it cannot be loaded.
    """
    _prepare_process()
    with suppress(EOFError, ConnectionError), sock, sock.makefile("rwb") as stream:
        channel = ChildChannel(stream)
        scorer = _attempt(load_model, otherwise=ModelError)
        if isinstance(scorer, TidegateError):
            channel.send(scorer)
            return
        channel.send(None)
        while True:
            predict_next(channel, scorer)


def predict_next(channel: ChildChannel, scorer: Scorer) -> None:
    """Run the next job; raises EOFError if there is none, or if the file ends early."""
    job = channel.next_job()
    channel.send(_attempt(lambda: _predict(channel, scorer, job), otherwise=TransientError))


def _predict(
    channel: ChildChannel, scorer: Scorer, job: Assignment
) -> ScoreResult | FilePlan | PartResult | CutPart:
    match job.planned:
        case PlannedPart(part, plan):
            return scorer.score_part(channel, job.options, plan, part, channel)
        case PlannedCut(start, plan):
            return scorer.cut_part(channel, plan, start, channel)
        case None:
            return _predict_file(channel, scorer, job)


def _predict_file(channel: ChildChannel, scorer: Scorer, job: Assignment) -> ScoreResult | FilePlan:
    opened = scorer.open_file(channel, job.options, channel)
    if job.alone and isinstance(opened, FilePlan) and opened.is_packed:
        # Its text would go to the parent and back.
        channel.open(opened.form)
        return scorer.score_all_parts(channel, job.options, opened, channel)
    return opened


def _prepare_process() -> None:
    """Print to stderr, ignore stop signals, end with the parent, be the OOM killer's choice."""
    redirect_stdout()
    gc.freeze()  # a collection would write to the pages shared with the forkserver, and copy them
    gc.enable()
    # Ctrl-C reaches the whole process group, and must not kill a job that the drain waits for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _die_with_parent()
    with suppress(OSError):  # exists on Linux only
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJ))


def redirect_stdout() -> None:
    """Let all that this process prints go to standard error, also what a C library prints.

    The worker writes its metrics to standard output, a line for each. What a model prints must not
    stand within such a line.
    """
    with suppress(OSError):  # standard error may be closed
        os.dup2(STDERR, STDOUT)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # whole lines: the log stands there too


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    if sys.platform == "linux":
        # The only event left on this pipe is the close of the parent's end. The kernel then kills
        # this process. A thread could be too late: it waits for the interpreter's lock.
        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, os.O_ASYNC)
    # For other systems, and for a parent that has ended already.
    threading.Thread(target=_join_and_exit, args=(parent,), daemon=True, name="parent").start()


def _join_and_exit(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _attempt(call: Callable[[], T], *, otherwise: type[TidegateError]) -> T | TidegateError:
    """Return the call's result, or its error as one of the worker's own."""
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - the parent waits for an answer, even after SystemExit
        return _picklable(error, otherwise)


def _picklable(error: BaseException, otherwise: type[TidegateError]) -> TidegateError:
    # Unpickling another error class would make the parent import the library it comes from.
    ours = [kind for kind in type(error).__mro__ if kind.__module__ == TidegateError.__module__]
    picklable = ours[0](str(error)) if ours else otherwise(quoting.describe(error))
    # Pickling drops the traceback but keeps the notes.
    picklable.add_note("In the pool process:\n" + quoting.traceback_of(error))
    return picklable
