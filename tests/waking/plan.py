"""Draws a schedule from its seed: files, workers and faults."""

import random
from dataclasses import dataclass
from typing import Any, Literal

from tests.waking.faults import EVERYWHERE, Kind

Capacity = Literal["FARGATE", "FARGATE_SPOT"]
Moment = Literal["leaves", "stopping", "stopped"]
MOMENTS: tuple[Moment, ...] = ("leaves", "stopping", "stopped")

SWEEP_SECONDS = 300.0
LAMBDA_SECONDS = 60.0
EXIT_SECONDS = (0.1, 2.0)  # from the last poll to the end of the process
NOTICE_SECONDS = (0.5, 4.0)  # from there until ECS wants the task stopped
TEARDOWN_SECONDS = (8.0, 30.0)  # from there to STOPPED
EVENT_SECONDS = (0.05, 1.5)
DRAIN_SECONDS = 90.0
REFUSED = 0.25  # of schedules with faults: those in which a right may be missing for a while


@dataclass(frozen=True, slots=True)
class Upload:
    """Files that are uploaded at once, each with an event of its own."""

    at: float
    files: int


@dataclass(frozen=True, slots=True)
class TimedUpload:
    """Files that are uploaded when a worker ends, where a promise breaks most easily."""

    moment: Moment
    number: int  # of such moments
    delay: float
    files: int


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which something fails; seconds from the start."""

    start: float
    end: float
    what: str

    def contains(self, at: float) -> bool:
        """Return whether the window includes that time."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule; times in seconds, rates from 0 to 1."""

    seed: int
    faultless: bool  # no faults, and short lags
    capacity: Capacity
    max_tasks: int
    messages_per_task: int
    slots: int  # jobs at once, on each worker
    job_seconds: float
    idle_seconds: float
    visibility_seconds: float
    backoff_seconds: float
    launch_seconds: tuple[float, float]
    listing_lag: float
    counts_lag: float
    fault_rate: float
    fault_kinds: tuple[Kind, ...]
    retried: float  # of jobs
    killed: float  # of workers
    reclaimed: float  # of workers on Spot
    lost: float  # of events, where it may be
    late: float
    twice: float
    failures_stick: bool  # a token whose request was declined keeps that answer
    task_limit: int | None
    sweep_at: float
    calm_at: float
    uploads: tuple[Upload, ...]
    timed_uploads: tuple[TimedUpload, ...]
    crashes: tuple[Window, ...]
    shortages: tuple[Window, ...]
    refusals: tuple[Window, ...]  # of an operation, which a right is missing for

    def refuses(self, operation: str, at: float) -> bool:
        """Return whether the dispatcher lacks the right for an operation at that time."""
        return any(one.contains(at) and one.what == operation for one in self.refusals)

    @property
    def bound(self) -> float:
        """P4: how long a message may be without a worker after the last failure."""
        noticed = EXIT_SECONDS[1] + NOTICE_SECONDS[1] + self.listing_lag
        invisible = max(self.visibility_seconds, self.backoff_seconds)
        seen = max(invisible + self.counts_lag, noticed)
        return seen + SWEEP_SECONDS + LAMBDA_SECONDS + self.launch_seconds[1]

    @property
    def prompt_bound(self) -> float:
        """The same without faults: until a worker that ends has stopped, and one has started."""
        ended = EXIT_SECONDS[1] + NOTICE_SECONDS[1] + TEARDOWN_SECONDS[1] + EVENT_SECONDS[1]
        if self.reclaimed:
            ended += DRAIN_SECONDS
        return ended + LAMBDA_SECONDS + self.launch_seconds[1]


def plan(seed: int) -> Plan:
    """Draw a schedule. Each leaves out some kinds of faults, so that no kind hides another."""
    draw = random.Random(f"waking {seed}")  # noqa: S311 - no secret
    faultless = draw.random() < 0.3
    calm_at = draw.choice((600.0, 1800.0, 3600.0))
    return Plan(
        seed=seed,
        faultless=faultless,
        capacity=draw.choice(("FARGATE", "FARGATE_SPOT")),
        max_tasks=draw.choice((1, 2, 4, 10)),
        messages_per_task=draw.choice((1, 5, 20)),
        slots=draw.choice((1, 4)),
        job_seconds=draw.choice((1.0, 10.0, 60.0)),
        idle_seconds=draw.choice((0.0, 20.0, 60.0)),
        uploads=tuple(_uploads(draw, calm_at)),
        timed_uploads=tuple(_timed_uploads(draw)),
        sweep_at=draw.uniform(0, SWEEP_SECONDS),
        calm_at=calm_at,
        refusals=() if faultless else _refusals(seed, calm_at),
        **(_without_faults(draw) if faultless else _with_faults(draw, calm_at)),
    )


def _without_faults(draw: random.Random) -> dict[str, Any]:
    return {
        "visibility_seconds": 120.0,
        "backoff_seconds": 0.0,
        "launch_seconds": draw.choice(((8.0, 20.0), (15.0, 45.0))),
        "listing_lag": draw.choice((0.0, 3.0)),
        "counts_lag": draw.choice((0.0, 3.0)),
        "fault_rate": draw.choice((0.02, 0.3)),
        "fault_kinds": (draw.choice(("slow request", "slow send")),),
        "retried": 0.0,
        "killed": 0.0,
        "reclaimed": draw.choice((0.0, 0.3)),
        "lost": 0.0,
        "late": 0.0,
        "twice": draw.choice((0.0, 0.1)),
        "failures_stick": False,
        "task_limit": None,
        "crashes": (),
        "shortages": (),
    }


def _with_faults(draw: random.Random, calm_at: float) -> dict[str, Any]:
    return {
        "visibility_seconds": draw.choice((60.0, 120.0, 600.0)),
        "backoff_seconds": draw.choice((30.0, 900.0)),
        "launch_seconds": draw.choice(((15.0, 45.0), (30.0, 180.0))),
        "listing_lag": draw.choice((0.0, 3.0, 15.0, 30.0)),
        "counts_lag": draw.choice((0.0, 5.0, 60.0)),
        "fault_rate": draw.choice((0.0, 0.03, 0.15, 0.3)),
        "fault_kinds": tuple(draw.sample(EVERYWHERE, draw.randint(1, len(EVERYWHERE)))),
        "retried": draw.choice((0.0, 0.2)),
        "killed": draw.choice((0.0, 0.0, 0.3)),
        "reclaimed": draw.choice((0.0, 0.3)),
        "lost": draw.choice((0.0, 0.0, 0.2)),
        "late": draw.choice((0.0, 0.2)),
        "twice": draw.choice((0.0, 0.2)),
        "failures_stick": draw.random() < 0.5,
        "task_limit": draw.choice((None, None, 1, 3)),
        "crashes": _windows(draw, calm_at, ("bad image", "crash at start")),
        "shortages": _windows(draw, calm_at, ("FARGATE_SPOT", "FARGATE_SPOT", "both")),
    }


def _uploads(draw: random.Random, calm_at: float) -> list[Upload]:
    uploads = []
    for _ in range(draw.choice((1, 3, 8))):
        at = draw.uniform(0, calm_at)
        if draw.random() < 0.4:
            # Close to a minute's end, where its tokens end.
            at = max(0.0, at - at % 60 + draw.uniform(-2, 2))
        uploads.append(Upload(at, draw.choice((1, 1, 2, 8, 60))))
    return uploads


def _timed_uploads(draw: random.Random) -> list[TimedUpload]:
    return [
        TimedUpload(
            draw.choice(MOMENTS), draw.randrange(8), draw.uniform(0, 3), draw.choice((1, 1, 5))
        )
        for _ in range(draw.choice((0, 4, 12)))
    ]


def _refusals(seed: int, calm_at: float) -> tuple[Window, ...]:
    # Drawn apart, so that schedules without them stay as they are.
    draw = random.Random(f"waking {seed} refuses")  # noqa: S311 - no secret
    if draw.random() > REFUSED:
        return ()
    return _windows(draw, calm_at, ("RunTask", "RunTask", "ListTasks", "GetQueueAttributes"))


def _windows(draw: random.Random, calm_at: float, kinds: tuple[str, ...]) -> tuple[Window, ...]:
    windows = []
    for _ in range(draw.choice((0, 0, 1, 2))):
        start = draw.uniform(0, calm_at)
        end = min(calm_at, start + draw.choice((60, 600, 1800)))
        windows.append(Window(start, end, draw.choice(kinds)))
    return tuple(windows)
