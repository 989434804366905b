"""python -m tests.waking: play the dispatcher's schedules and report each broken promise.

Each schedule is drawn from its seed: uploads, concurrent dispatchers, workers that start late and
end, and AWS's lags and faults. The dispatcher is the real one; S3, SQS, ECS and Lambda are
simulated as they are documented, and nothing here has been compared with AWS itself.
"""

import argparse
import multiprocessing
import os
import secrets
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.waking.layers import layers
from tests.waking.schedule import judge, play
from tests.waking.summary import Summary

CHUNK = 20
SPAWN = multiprocessing.get_context("spawn")


def main() -> int:
    """Search, replay one seed, or leave out layers; the exit status is 1 for a broken promise."""
    asked = _parser().parse_args()
    if asked.seed is not None:
        return _replay(asked.seed)
    first = secrets.randbelow(10**9) if asked.first is None else asked.first
    seeds = range(first, first + asked.schedules)
    if asked.layers:
        print("\n".join(layers(seeds)))
        return 0
    print(f"{asked.schedules} schedules, seeds from {first}")
    return 1 if _search(seeds, asked.processes) else 0


def _search(seeds: range, processes: int) -> int:
    started, broken, summary = time.monotonic(), 0, Summary()
    with ProcessPoolExecutor(processes, SPAWN) as pool:
        for number, verdict in enumerate(pool.map(judge, seeds, chunksize=CHUNK), start=1):
            summary.add(verdict)
            if verdict.broken:
                broken += 1
                print(f"seed {verdict.seed} broke:", *verdict.broken[:5], sep="\n  ")
                print(f"  replay: python -m tests.waking --seed {verdict.seed}", flush=True)
            if number % 500 == 0 or number == len(seeds):
                seconds = time.monotonic() - started
                print(f"{number} played in {seconds:.0f} s, {broken} broken", flush=True)
    print("\n".join(summary.lines()))
    return broken


def _replay(seed: int) -> int:
    verdict = play(seed)
    print("\n".join(verdict.story))
    print(f"\nseed {seed}: {verdict.plan}")
    print("\n".join(verdict.broken) or "all promises kept")
    return 1 if verdict.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.waking",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--schedules", type=int, default=300, help="how many to play (300)")
    parser.add_argument("--first", type=int, help="the first seed (a random one)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="at once (as many as cores)"
    )
    parser.add_argument("--seed", type=int, help="replay this one, and print what happens")
    parser.add_argument(
        "--layers", action="store_true", help="print waits and numbers of tasks without each layer"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
