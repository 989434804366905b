"""Run one contender on one queue, watch the queue from outside, and measure the contender."""

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.harness.bench_cloud import BenchCloud, Run
from benchmarks.harness.contenders import Contender
from benchmarks.harness.launcher import Launch, LaunchFailed, Sample, launched

POLL_SECONDS = 0.1
MAX_SECONDS = 1800

Check = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class DrainResult:
    """The measurements of one contender on one queue."""

    files: int
    started: float
    cpu_seconds: float
    """CPU time of all the contender's processes, from start to end."""
    wall_seconds: float
    """From the start to the last delete; the idle time that follows is not counted."""
    busy_seconds: float
    """From the first receive to the last delete."""
    peak_bytes: int
    progress: Sequence[tuple[float, int]]
    """Times, and how many files were done at each."""
    series: Sequence[Sample]
    """Samples of time, resident bytes and CPU seconds."""
    log: str

    @property
    def files_per_second(self) -> float:
        """Files per second between the first receive and the last delete."""
        return self.files / self.busy_seconds

    @property
    def steady_files_per_second(self) -> float:
        """Files per second while the files between one and nine tenths were done."""
        (begun, first), (ended, last) = self.when_done(0.1), self.when_done(0.9)
        return (last - first) / (ended - begun)

    @property
    def steady_cpu_per_file(self) -> float:
        """CPU seconds for a file while the files between one and nine tenths were done."""
        (begun, first), (ended, last) = self.when_done(0.1), self.when_done(0.9)
        times = [time for time, _, _ in self.series]
        before, after = (
            self.series[min(bisect_left(times, moment), len(times) - 1)][2]
            for moment in (begun, ended)
        )
        return (after - before) / (last - first)

    def when_done(self, share: float) -> tuple[float, int]:
        """Return when that share of the files was done, and how many files were done then."""
        return next(sample for sample in self.progress if sample[1] >= share * self.files)


class Sender:
    """Sends messages for the inputs, with at most `backlog` of them visible at once."""

    def __init__(self, run: Run, contender: Contender, keys: Sequence[str], backlog: int) -> None:
        self.files = len(keys)
        self.sent = 0
        self._run = run
        self._contender = contender
        self._keys = keys
        self._backlog = backlog

    def top_up(self, visible: int) -> None:
        """Send as many messages as the backlog has room for."""
        keys = self._keys[self.sent : self.sent + max(0, self._backlog - visible)]
        self._run.send(self._contender, keys)
        self.sent += len(keys)


def drain(
    bench: BenchCloud,
    contender: Contender,
    keys: Sequence[str],
    model: Path,
    check: Check,
    *,
    url: str | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    ready: str | None = None,
    backlog: int | None = None,
) -> DrainResult:
    """Let the contender predict the inputs, check its outputs, and return the measurements.

    `ready` is a text that each copy logs once it can work. If given, messages are sent after all
    copies have logged that text, and the copies are stopped when all files are done. `backlog` is
    the maximum number of visible messages.
    """
    run = bench.new_run(model)
    sender = Sender(run, contender, keys, backlog or len(keys))
    environment = {**run.environment(url), **settings}
    if not ready:
        sender.top_up(0)
    with launched(contender, environment, bench.folder / f"{run.name}.log") as launch:
        if ready:
            launch.wait_for_log(ready, contender.copies)
            sender.top_up(0)
        begun, progress = watch(run, sender, launch)
        if ready:
            launch.stop()
        usage = launch.usage()
    outputs = run.outputs()
    if outputs.keys() != set(keys):
        raise LaunchFailed(f"{contender.name}: {len(outputs)} of {len(keys)} outputs")
    for body in set(outputs.values()):
        check(body)
    run.clear()
    return DrainResult(
        files=len(keys),
        started=usage.started,
        cpu_seconds=usage.cpu_seconds,
        wall_seconds=progress[-1][0] - usage.started,
        busy_seconds=progress[-1][0] - begun,
        peak_bytes=usage.peak_bytes,
        progress=progress,
        series=usage.series,
        log=launch.read_log(),
    )


def watch(run: Run, sender: Sender, launch: Launch) -> tuple[float, list[tuple[float, int]]]:
    """Poll the queue until all files are done; return when work began, and the progress."""
    begun: float | None = None
    progress: list[tuple[float, int]] = []
    deadline = time.monotonic() + MAX_SECONDS
    while not progress or progress[-1][1] < sender.files:
        launch.check(deadline)
        visible, in_flight = run.counts()
        now = time.monotonic()
        if begun is None and visible < sender.sent:
            begun = now
        progress.append((now, sender.sent - visible - in_flight))
        sender.top_up(visible)
        time.sleep(POLL_SECONDS)
    assert begun is not None
    return begun, progress
