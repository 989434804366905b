"""One contender draining one queue: started, watched from outside, and measured to its end."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.contenders import Contender
from benchmarks.launching import Launch, LaunchFailed, Sample, launched
from benchmarks.stage import Run, Stage

LOOK_SECONDS = 0.1
LONGEST_SECONDS = 1800

Check = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Drained:
    """What it took."""

    files: int
    started: float
    cpu_seconds: float
    """Of every process, from start to end."""
    wall_seconds: float
    """From start to the last delete; how long it then looks for more is its own affair."""
    busy_seconds: float
    """From the first receive to the last delete."""
    peak_bytes: int
    progress: Sequence[tuple[float, int]]
    """Time, and how many files were done."""
    series: Sequence[Sample]
    """Time, resident bytes, CPU seconds."""
    log: str

    @property
    def files_per_second(self) -> float:
        """How fast, from the first receive to the last delete."""
        return self.files / self.busy_seconds

    @property
    def steady_files_per_second(self) -> float:
        """How fast between a tenth and nine tenths of the files."""
        (begun, first), (ended, last) = self.until(0.1), self.until(0.9)
        return (last - first) / (ended - begun)

    def until(self, share: float) -> tuple[float, int]:
        """When so much was done, and how many files that were."""
        return next(look for look in self.progress if look[1] >= share * self.files)


class Feed:
    """Keys on their way into the queue, no more of them at once than a backlog."""

    def __init__(self, run: Run, contender: Contender, keys: Sequence[str], backlog: int) -> None:
        self.files = len(keys)
        self.sent = 0
        self._run = run
        self._contender = contender
        self._keys = keys
        self._backlog = backlog

    def top_up(self, visible: int) -> None:
        """Send as many as there is room for."""
        some = self._keys[self.sent : self.sent + max(0, self._backlog - visible)]
        self._run.send(self._contender, some)
        self.sent += len(some)


def drain(
    stage: Stage,
    contender: Contender,
    keys: Sequence[str],
    model: Path,
    check: Check,
    *,
    url: str | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    ready: str | None = None,
    backlog: int | None = None,
) -> Drained:
    """Have the contender predict the inputs, and check what it wrote.

    `ready` is what each copy logs once it can work: only then is anything sent, and only at the end
    of the work are they stopped. `backlog` is how much is in the queue at most.
    """
    run = stage.run(model)
    feed = Feed(run, contender, keys, backlog or len(keys))
    environment = {**run.environment(url), **settings}
    if not ready:
        feed.top_up(0)
    with launched(contender, environment, stage.folder / f"{run.name}.log") as launch:
        if ready:
            launch.until(ready, contender.copies)
            feed.top_up(0)
        begun, progress = watched(run, feed, launch)
        if ready:
            launch.stop()
        took = launch.took()
    outputs = run.outputs()
    if outputs.keys() != set(keys):
        raise LaunchFailed(f"{contender.name}: {len(outputs)} of {len(keys)} outputs")
    for body in set(outputs.values()):
        check(body)
    run.clear()
    return Drained(
        files=len(keys),
        started=took.started,
        cpu_seconds=took.cpu_seconds,
        wall_seconds=progress[-1][0] - took.started,
        busy_seconds=progress[-1][0] - begun,
        peak_bytes=took.peak_bytes,
        progress=progress,
        series=took.series,
        log=launch.said(),
    )


def watched(run: Run, feed: Feed, launch: Launch) -> tuple[float, list[tuple[float, int]]]:
    """Look at the queue until all is done; answer when the work began, and how it went on."""
    begun: float | None = None
    progress: list[tuple[float, int]] = []
    deadline = time.monotonic() + LONGEST_SECONDS
    while not progress or progress[-1][1] < feed.files:
        launch.check(deadline)
        visible, in_flight = run.counts()
        now = time.monotonic()
        if begun is None and visible < feed.sent:
            begun = now
        progress.append((now, feed.sent - visible - in_flight))
        feed.top_up(visible)
        time.sleep(LOOK_SECONDS)
    assert begun is not None
    return begun, progress
