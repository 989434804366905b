"""python -m benchmarks.harness.score_often WAY TIMES: predict one small file so many times.

WAY is `worker`, the worker's own scoring, or `pandas`, what people would write with plain pandas.
BENCH_MODEL is the model. It runs below callgrind, which counts its instructions.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.support.scenario import iris


def main() -> int:
    """Predict the file."""
    way, times = sys.argv[1], int(sys.argv[2])
    predict = WAYS[way]()
    body = iris().to_csv(index=False).encode()
    for _ in range(times):
        predict(body)
    return 0


def _worker() -> Callable[[bytes], object]:
    from benchmarks.opponents.floor import Bytes  # noqa: PLC0415 - each way counts its own imports
    from worker.interfaces import ScoreOptions  # noqa: PLC0415
    from worker.models import load_predictor  # noqa: PLC0415
    from worker.scoring.score import score  # noqa: PLC0415

    predictor = load_predictor(Path(os.environ["BENCH_MODEL"]), method="auto", factory=None)
    options = ScoreOptions()

    def predict(body: bytes) -> object:
        file = Bytes(body)
        return score(file, predictor, options, file)

    return predict


def _pandas() -> Callable[[bytes], object]:
    os.environ["WORKER_MODEL"] = os.environ["BENCH_MODEL"]
    from benchmarks.opponent_helpers import load_model, predict  # noqa: PLC0415

    model = load_model()
    return lambda body: predict(model, body)


WAYS = {"worker": _worker, "pandas": _pandas}

if __name__ == "__main__":
    sys.exit(main())
