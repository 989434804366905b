"""Signals to the worker processes, at times drawn from the seed."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from typing import NamedTuple

from tests.chaos.fleet import Fleet, Worker
from tests.support.processes import pool_processes

Action = Callable[[Worker], None]


class Blow(NamedTuple):
    """One signal, or more, to the worker in one slot."""

    at_seconds: float
    slot: int
    kind: str


def to_worker(number: int) -> Action:
    return lambda worker: worker.process.send_signal(number)


def to_group(number: int) -> Action:
    return lambda worker: os.killpg(worker.process.pid, number)


def kill_a_child(worker: Worker) -> None:
    """Kill a pool process, as the kernel does when memory runs out."""
    pool = pool_processes(worker.process.pid)
    if not pool:
        raise ProcessLookupError
    os.kill(pool[0], SIGKILL)


KINDS: dict[str, Action] = {  # a short run uses the first few
    "SIGKILL": to_worker(SIGKILL),
    "SIGSTOP": to_worker(SIGSTOP),
    "SIGTERM": to_worker(SIGTERM),
    "SIGKILL to a child": kill_a_child,
    "SIGKILL to all its processes": to_group(SIGKILL),
    "SIGSTOP to all its processes": to_group(SIGSTOP),
    "SIGTERM to all its processes": to_group(SIGTERM),
    "SIGTERM twice": to_worker(SIGTERM),
}
SECOND_SIGNAL_SECONDS = 0.3


class Conductor:
    """Sends the signals when they are due, and counts them."""

    def __init__(
        self, seed: int, fleet: Fleet, blows: int, seconds: float, pause_seconds: float
    ) -> None:
        random = Random(f"{seed} blows")  # noqa: S311 - to be repeated
        slots = range(len(fleet.running))
        kinds = [*KINDS] * blows  # each kind as often as the others, give or take one
        times = sorted(random.uniform(0, seconds) for _ in range(blows))
        self._left = [
            Blow(at, random.choice(slots), kind)
            for at, kind in zip(times, random.sample(kinds[:blows], blows), strict=True)
        ]
        self._fleet = fleet
        self._pause_seconds = pause_seconds
        self._to_follow: list[tuple[float, Worker, Action]] = []
        self.dealt: Counter[str] = Counter()

    @property
    def is_done(self) -> bool:
        """Return whether every signal was sent and no worker is paused."""
        return not self._left and not self._to_follow

    def advance(self, now_seconds: float) -> None:
        """Replace the workers that have ended, then send the signals that are due."""
        self._fleet.replace_ended()
        while self._left and self._left[0].at_seconds <= now_seconds:
            self._deal(self._left.pop(0), now_seconds)
        for follows in [follows for follows in self._to_follow if follows[0] <= now_seconds]:
            self._to_follow.remove(follows)
            _, worker, act = follows
            with suppress(ProcessLookupError):
                act(worker)

    def _deal(self, blow: Blow, now_seconds: float) -> None:
        worker = self._fleet.running[blow.slot]
        try:
            KINDS[blow.kind](worker)
        except ProcessLookupError:  # there is no such process at the moment
            self.dealt[f"{blow.kind}, too late"] += 1
            return
        self.dealt[blow.kind] += 1
        worker.suffered.append(blow.kind)
        if blow.kind == "SIGTERM twice":
            after = SECOND_SIGNAL_SECONDS
            self._to_follow.append((now_seconds + after, worker, to_worker(SIGTERM)))
        elif blow.kind.startswith("SIGSTOP"):
            after = self._pause_seconds
            self._to_follow.append((now_seconds + after, worker, to_group(SIGCONT)))
