"""python -m tests.search: play schedules and report each that breaks a promise; replay one."""

import argparse
import contextlib
import gc
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.search.all_mutations import MUTATIONS
from tests.search.schedule import Verdict, judge, play
from tests.search.shrinking import shrink
from tests.support.forked import FORK
from tests.support.mutation import mutated

CHUNK = 20


def main() -> int:
    """Search, or replay one seed; the exit status is 1 if a promise was broken."""
    arguments = _parser().parse_args()
    if arguments.fault is not None and arguments.seed is None:
        sys.exit("--fault needs --seed")
    if arguments.seed is not None:
        with _with_fault(arguments.fault):
            return _replay(arguments.seed, shrunk=arguments.shrink)
    first = secrets.randbelow(10**9) if arguments.first is None else arguments.first
    print(f"{arguments.schedules} schedules, seeds from {first}")
    broken = _search(range(first, first + arguments.schedules), arguments.processes)
    return 1 if broken else 0


def _search(seeds: range, processes: int) -> int:
    started, broken, faults = time.monotonic(), 0, Counter[str]()
    # Frozen, so that no garbage collection looks through the modules.
    with ProcessPoolExecutor(processes, FORK, initializer=gc.freeze) as pool:
        for number, verdict in enumerate(pool.map(judge, seeds, chunksize=CHUNK), start=1):
            faults.update(verdict.injected.values())
            if verdict.broken:
                broken += 1
                _print_broken(verdict)
            if number % 500 == 0 or number == len(seeds):
                seconds = time.monotonic() - started
                print(f"{number} played in {seconds:.0f} s, {broken} broken", flush=True)
    print(f"{sum(faults.values())} faults injected:")
    print("\n".join(f"  {count:8} {kind}" for kind, count in faults.most_common()))
    return broken


def _print_broken(verdict: Verdict) -> None:
    print(f"seed {verdict.seed} broke:")
    print("\n".join(f"  {problem}" for problem in verdict.broken[:5]))
    print(f"  replay: python -m tests.search --seed {verdict.seed} --shrink", flush=True)


@contextlib.contextmanager
def _with_fault(fault: str | None) -> Iterator[None]:
    if fault is None:
        yield
        return
    with mutated(MUTATIONS.named(fault)):
        yield


def _replay(seed: int, *, shrunk: bool) -> int:
    verdict = play(seed)
    if verdict.broken and shrunk:
        verdict = shrink(verdict)
    print(verdict.story())
    print(f"\nseed {seed}, {len(verdict.injected)} faults:")
    print("\n".join(f"  {kind:15} {where}" for where, kind in verdict.injected.items()))
    print("\n".join(verdict.broken) or "all promises kept")
    return 1 if verdict.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.search", description=__doc__)
    parser.add_argument("--schedules", type=int, default=300, help="how many to play (300)")
    parser.add_argument("--first", type=int, help="the first seed (a random one)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="at once (as many as cores)"
    )
    parser.add_argument("--seed", type=int, help="replay this one, and print what happens")
    parser.add_argument(
        "--shrink",
        action="store_true",
        help="with --seed: leave out the faults that are not needed to break it",
    )
    parser.add_argument(
        "--fault",
        choices=[mutation.fault for mutation in MUTATIONS.all],
        metavar="SENTENCE",
        help="with --seed: put this fault of tests/search/mutations.py into the engine",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
