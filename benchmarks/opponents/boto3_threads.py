"""boto3 in threads: each thread receives ten messages, predicts them, and deletes them together."""

import sys
from functools import partial

from benchmarks.opponent_helpers import ThreadedDrain, load_model, predict

COPIES = (2,)  # one alone is clearly slower
THREADS = 16


def main() -> int:
    """Drain the queue."""
    ThreadedDrain(partial(predict, load_model()), THREADS).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
