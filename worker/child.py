"""What runs inside a pool process; nothing here is imported by the event loop's process.

numpy, pandas and scikit-learn are imported only once the thread counts are set: OpenBLAS and OpenMP
read them when they are loaded.
"""

# ruff: noqa: PLC0415 - see above
import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from worker.scored import Scored, ScoreOptions

if TYPE_CHECKING:
    from worker.models import Predictor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_predictor: "Predictor | None" = None


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Which model a process loads, and how it behaves."""

    path: Path
    method: Literal["auto", "predict", "predict_proba", "decision_function"]
    factory: str | None
    threads: int
    log_format: Literal["console", "json"]
    log_level: str


def prepare(plan: ModelPlan) -> int:
    """Load the model and answer the process id; raises ModelError."""
    global _predictor  # noqa: PLW0603 - a process has one model
    # The parent decides when we stop: Ctrl-C reaches the whole process group, and must not kill a
    # prediction that the drain waits for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True, name="die-with-parent").start()
    for name in THREAD_VARIABLES:
        os.environ[name] = str(plan.threads)

    from worker import logs
    from worker.models import load_predictor

    logs.configure(plan.log_format, plan.log_level)
    _predictor = load_predictor(plan.path, method=plan.method, factory=plan.factory)
    return os.getpid()


def score(body: bytes, options: ScoreOptions) -> Scored:
    """Predict a file; raises PermanentError when it cannot be."""
    from worker.scoring import score as score_file

    assert _predictor is not None
    return score_file(body, _predictor, options)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
