"""Draws a schedule from its seed: files, workers and faults."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from tests.search.contents import BAD_ROWS
from tests.search.faults import APART, EVERYWHERE, OPERATIONS, SERVICES, Kind, Outage
from tests.support.simulation.sqs import SqsBehaviour
from worker.jobs.limits import PART_BYTES

T = TypeVar("T")

# "refused": the message sets what it may not set. "later": it is of a version that no worker knows.
FileKind = Literal["good", "poison", "killer", "missing", "unreadable", "refused", "later"]
ProcessFaultKind = Literal["SIGTERM", "SIGTERM twice", "SIGKILL", "SIGSTOP", "child killed"]
KINDS: tuple[FileKind, ...] = ("good", "poison", "killer", "missing", "unreadable")
WEIGHTS = (16, 2, 1, 1, 1)
PROCESS_FAULTS: tuple[ProcessFaultKind, ...] = (
    "SIGTERM",
    "SIGTERM twice",
    "SIGKILL",
    "SIGSTOP",
    "child killed",
)

SMALL_PART = 12  # bytes, of contents and outputs of twenty to fifty
HAS_BAD_ROWS = (0.0, 0.4)  # the share of such versions
FIRST_FAILS = 0.4  # the share of first of several versions that cannot be predicted
AT_ONCE = 0.1  # the share of schedules in which the versions of a file race with each other
RACE_SECONDS = 0.01  # from one version to the next in a race
HAS_LONG_OUTAGE = 0.08  # the share of schedules with an outage of minutes, up to an hour
OUTAGE_SECONDS = (240.0, 600.0, 1200.0, 3600.0)
APART_RATES = (0.0, 0.0, 0.0, 0.02, 0.1)
HANGING_STARTS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5)
HANGING_PREDICTIONS = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1)
HAS_RUNS = 0.3  # the share of schedules with messages of runs
# The runs, and the encoding that the messages of each set; None: a file that belongs to no run.
ENCODINGS: Mapping[str | None, str] = {None: "utf-8", "r1": "latin-1", "r2": "cp1252"}
REFUSED, LATER = 0.15, 0.15  # the shares of the files that are good otherwise
CANCELLED = 0.6  # the share of those schedules in which somebody cancels runs
REDRIVEN = 0.2  # the share of the files in them that were submitted again by themselves
HAS_LARGE = 0.15  # the share of schedules with large files
LARGE_PART = (40, 64)  # bytes, of such downloads and uploads; a large file has more
LARGE_BUDGET = (601, 803, 1103, 1503, 1 << 20)  # bytes of all jobs: of one large file, or more
WRONG_GUESSES = (0.0, 0.2, 0.9)
CROWDED = 0.3  # the share of those schedules in which only other jobs disturb, all of them at once
FEW = 3  # receives, after which a message of a later version is dead within the schedule
MANY = 50  # receives: more than all faults of a schedule use up
INPUT, OUTPUT, PREFIX = "in", "out", "p"
QUEUE, DEAD = "q", "q-dead"
BUS = "bus"
SENDS_EVENTS = 0.4  # the share of schedules whose workers send events


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and its messages; only the messages if the file is missing or the body unreadable."""

    at: float
    key: str
    kind: FileKind
    content: bytes
    messages: int
    detailed: bool  # the message has version, ETag, size and sequencer
    runs: tuple[str | None, ...] = (None,)  # the messages' runs, over and over
    redrives: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    """The mark that cancels a run, and when it appears."""

    at: float
    run: str

    @property
    def key(self) -> str:
        """Return the key of the mark."""
        return f"{PREFIX}/_runs/{self.run}/cancelled"


def run_of_mark(key: str) -> str | None:
    """Return the run that an object cancels; None if it is no such mark."""
    return next((run for run in ENCODINGS if run and Cancel(0, run).key == key), None)


@dataclass(frozen=True, slots=True)
class ProcessFault:
    """A fault of a worker's process."""

    at: float
    worker: int  # index among the running workers
    kind: ProcessFaultKind
    seconds: float
    just_before_end: bool  # of a prediction, when a stop is most likely to break a promise

    def __str__(self) -> str:
        return f"blow at {self.at:.3f}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One schedule."""

    seed: int
    settings: dict[str, object]
    visibility_seconds: int
    max_receive_count: int | None
    versioned: bool
    behaviour: SqsBehaviour
    slots: int
    workers: int
    uploads: tuple[Upload, ...]
    process_faults: tuple[ProcessFault, ...]
    outages: tuple[Outage, ...]
    fault_rate: float
    fault_kinds: tuple[Kind, ...]
    fatal: bool
    calm_at: float
    part_bytes: int  # of a download or an upload
    apart_rate: float = 0.0
    apart_kinds: tuple[Kind, ...] = ()
    sends_events: bool = False
    hanging_starts: float = 0.0
    hanging_predictions: float = 0.0
    cancels: tuple[Cancel, ...] = ()
    budget_bytes: int | None = None  # None: as many as the settings say
    wrong_guesses: float = 0.0

    @property
    def has_duplicates(self) -> bool:
        """Return whether SQS delivers messages that are in hand, so that two handles are valid."""
        again = self.apart_rate > 0 and "received again" in self.apart_kinds
        return again or self.behaviour.duplicate > 0

    @property
    def quiet_at(self) -> float:
        """When the last fault is over."""
        return max([self.calm_at, *(outage.end for outage in self.outages)])

    def runs_exclusively(self, receive_count: int) -> bool:
        """Return whether a job runs alone: at the last two receives, or from the fourth on."""
        most = self.max_receive_count
        return receive_count >= (4 if most is None else max(2, most - 1))


def plan(seed: int) -> Plan:
    """Draw a schedule, with large files in some of them."""
    drawn = _plan(seed)
    draw = random.Random(f"large {seed}")  # noqa: S311 - apart, so that the other draws stay
    return _with_large(draw, drawn) if draw.random() < HAS_LARGE else drawn


def _with_large(draw: random.Random, plan: Plan) -> Plan:
    """Add large files, for which there are several processes and few bytes."""
    bad_rows = bool(plan.settings["max_rejected"])
    large = [
        upload
        for number in range(draw.choice((1, 2, 3)))
        for upload in _large_uploads(draw, number, plan, bad_rows=bad_rows)
    ]
    uploads = sorted((*plan.uploads[:5], *large), key=lambda upload: upload.at)
    if draw.random() < CROWDED:
        uploads = [replace(upload, at=0.0) for upload in uploads]
        plan = replace(plan, process_faults=(), outages=(), fault_rate=0.0, apart_rate=0.0)
    return replace(
        plan,
        uploads=tuple(uploads),
        settings=plan.settings | {"concurrency": draw.choice((2, 4, 8))},
        slots=draw.choice((2, 3, 4)),
        part_bytes=draw.choice(LARGE_PART),
        budget_bytes=draw.choice(LARGE_BUDGET),
        wrong_guesses=draw.choice(WRONG_GUESSES),
    )


def _large_uploads(
    draw: random.Random, number: int, plan: Plan, *, bad_rows: bool
) -> Iterator[Upload]:
    """Draw a large file, and newer versions that may come while it is being predicted."""
    key = f"{draw.choice(('large', 'packed'))}-{number}.csv"
    kind: FileKind = draw.choice(("good", "good", "good", "good", "poison"))
    at = draw.choice((0.0, draw.uniform(0, plan.calm_at / 2)))
    versions = 1 if kind != "good" else draw.choice((1, 1, 2))
    for version in range(versions):
        content = _large_content(draw, f"{key} {version}", kind, bad_rows=bad_rows)
        messages, detailed = draw.choice((1, 1, 2)), draw.random() < 0.7
        yield Upload(at, key, kind, content, messages, detailed)
        at += draw.uniform(0.01, 10)


def _large_content(draw: random.Random, name: str, kind: FileKind, *, bad_rows: bool) -> bytes:
    """Draw at most one bad row in five, so that no file fails for them; and one that fails it."""
    rows = [b"row %d %b" % (number, b"x" * draw.choice((2, 2, 2, 10, 40))) for number in range(20)]
    for number in range(0, len(rows), 5):
        if bad_rows and draw.random() < 0.5:
            rows[number] = b"row %d%b" % (number, BAD_ROWS)
    if kind != "good":
        rows[draw.randrange(len(rows))] = kind.encode()
    first = f"{kind} {draw.uniform(0, 0.3):.3f} {name}".encode()
    return b"".join(row + b"\n" for row in (first, *rows))


def _plan(seed: int) -> Plan:
    """Draw the rest. Each leaves out some kinds of faults, so that no kind hides another."""
    draw = random.Random(f"plan {seed}")  # noqa: S311 - no secret
    apart = random.Random(f"versions {seed}")  # noqa: S311 - apart, so that the other draws stay
    at_once = random.Random(f"races {seed}").random() < AT_ONCE  # noqa: S311 - apart likewise
    later = random.Random(f"besides {seed}")  # noqa: S311 - likewise
    bad_rows = apart.choice(HAS_BAD_ROWS)
    outage = random.Random(f"outage {seed}")  # noqa: S311 - likewise
    calm_at = draw.choice((60.0, 200.0, 600.0))
    visibility = draw.choice((6, 15, 30, 60))
    most = draw.choice((None, FEW, 5, MANY, MANY, MANY))
    cancelling = random.Random(f"cancels {seed}")  # noqa: S311 - likewise
    cancels = tuple(_cancels(cancelling, calm_at))
    events = random.Random(f"events {seed}")  # noqa: S311 - likewise
    sends_events = events.random() < SENDS_EVENTS
    bus_outages = tuple(_bus_outages(events, calm_at)) if sends_events else ()
    return Plan(
        seed=seed,
        settings=_settings(draw) | {"max_rejected": bad_rows},
        visibility_seconds=visibility,
        max_receive_count=most,
        versioned=draw.random() < 0.6,
        behaviour=_behaviour(draw),
        slots=draw.choice((1, 2, 4)),
        workers=draw.choice((1, 1, 2, 3)),
        uploads=_with_redrives(
            cancelling if cancels else None,
            _with_runs(
                random.Random(f"runs {seed}"),  # noqa: S311 - likewise
                _uploads(draw, apart, bad_rows, calm_at, most, at_once=at_once),
                most,
            ),
        ),
        process_faults=tuple(_process_faults(draw, calm_at, visibility)),
        outages=(
            *_outages(draw, calm_at, visibility),
            *_long_outages(outage, calm_at),
            *bus_outages,
        ),
        sends_events=sends_events,
        fault_rate=draw.choice((0.0, 0.02, 0.1, 0.3)),
        fault_kinds=_some(draw, EVERYWHERE),
        fatal=draw.random() < 0.2,
        calm_at=calm_at,
        part_bytes=draw.choice((PART_BYTES, PART_BYTES, SMALL_PART)),
        apart_rate=later.choice(APART_RATES),
        apart_kinds=_some(later, APART),
        hanging_starts=later.choice(HANGING_STARTS),
        hanging_predictions=later.choice(HANGING_PREDICTIONS),
        cancels=cancels,
    )


def _bus_outages(draw: random.Random, calm_at: float) -> Iterator[Outage]:
    """Draw a time without EventBridge, in half of the schedules with events."""
    if draw.random() < 0.5:
        start = draw.uniform(0, calm_at)
        yield Outage(start, start + draw.choice(OUTAGE_SECONDS), frozenset({"put_events"}))


def _settings(draw: random.Random) -> dict[str, object]:
    drain = draw.choice((10, 30, 90))
    return {
        "concurrency": draw.choice((1, 2, 4)),
        "consumers": draw.choice((1, 2, 3)),
        "wait_seconds": draw.choice((0, 2, 7) if drain == 10 else (0, 2, 20)),
        "idle_seconds": draw.choice((0, 5, 30, -1)),
        "drain_seconds": drain,
        "job_seconds": draw.choice((40, 300)),
        "retry_seconds": draw.choice((1, 30)),
        "log_format": "console",  # without metrics on standard output
    }


def _behaviour(draw: random.Random) -> SqsBehaviour:
    return SqsBehaviour(
        stale_handles=draw.choice(("refused", "ignored", "honoured")),
        duplicate=draw.choice((0, 0, 0.1)),
        empty=draw.choice((0, 0, 0.2)),
        shuffled=draw.random() < 0.5,
        failed_entries=draw.choice((0, 0, 0.1)),
        failed_though_applied=draw.choice((0, 0, 0.1)),
    )


def _uploads(
    draw: random.Random,
    apart: random.Random,
    bad_rows: float,
    calm_at: float,
    most: int | None,
    *,
    at_once: bool,
) -> list[Upload]:
    uploads = []
    longest = draw.choice((0, 2, 30, 30))
    for number in range(draw.choice((2, 5, 10, 20))):
        key = f"{number}.csv"
        kind = draw.choices(KINDS, WEIGHTS)[0]
        if (kind == "killer" and most in (None, MANY)) or (kind == "unreadable" and not most):
            kind = "poison"  # these would be retried for hours
        versions = 1 if kind != "good" or draw.random() < 0.7 else draw.choice((2, 3))
        at = draw.choice((0.0, draw.uniform(0, calm_at)))
        for version in range(versions):
            # Many programs write an empty version first, and then the real one.
            fails = version == 0 and versions > 1 and apart.random() < FIRST_FAILS
            version_kind: FileKind = "poison" if fails else kind
            seconds = draw.uniform(0, longest)
            content = f"{version_kind} {0 if at_once else seconds:.3f} {key} {version}".encode()
            if apart.random() < bad_rows:
                content += BAD_ROWS
            uploads.append(
                Upload(
                    at,
                    key,
                    version_kind,
                    content,
                    messages=draw.choice((1, 1, 1, 2)),
                    detailed=draw.random() < 0.7,
                )
            )
            pause = draw.uniform(0.01, calm_at / 4)
            at += RACE_SECONDS if at_once else pause
    return sorted(uploads, key=lambda upload: upload.at)


def _with_runs(
    draw: random.Random, uploads: Sequence[Upload], most: int | None
) -> tuple[Upload, ...]:
    """Let messages belong to runs; of files with one version, some messages are wrong."""
    if draw.random() >= HAS_RUNS:
        return tuple(uploads)
    versions = Counter(upload.key for upload in uploads)
    changed = []
    for upload in uploads:
        kind, luck = upload.kind, draw.random()
        if kind == "good" and versions[upload.key] == 1:
            if luck < REFUSED:
                kind = "refused"
            elif luck < REFUSED + LATER and most == FEW:
                kind = "later"
        runs = tuple(draw.choice(list(ENCODINGS)) for _ in range(upload.messages))
        changed.append(replace(upload, kind=kind, runs=runs))
    return tuple(changed)


def _cancels(draw: random.Random, calm_at: float) -> Iterator[Cancel]:
    """Cancel some runs: before their first message, or at any time."""
    if draw.random() < CANCELLED:
        for run in filter(None, ENCODINGS):
            if draw.random() < 0.7:
                yield Cancel(draw.choice((0.0, draw.uniform(0, calm_at))), run)


def _with_redrives(draw: random.Random | None, uploads: tuple[Upload, ...]) -> tuple[Upload, ...]:
    """Let somebody have submitted some files again, which no cancel is about."""
    if draw is None:
        return uploads
    return tuple(replace(one, redrives=int(draw.random() < REDRIVEN)) for one in uploads)


def _process_faults(draw: random.Random, calm_at: float, visibility: int) -> list[ProcessFault]:
    kinds = _some(draw, PROCESS_FAULTS)
    return [
        ProcessFault(
            at=draw.uniform(0, calm_at),
            worker=draw.randrange(3),
            kind=draw.choice(kinds),
            seconds=draw.choice((0.5, 1.2, 2.0, 2.0)) * visibility,
            just_before_end=draw.random() < 0.7,
        )
        for _ in range(draw.choice((0, 2, 5, 10)))
    ]


def _outages(draw: random.Random, calm_at: float, visibility: int) -> Iterator[Outage]:
    for _ in range(draw.choice((0, 0, 1, 3))):
        start = draw.uniform(0, calm_at)
        end = start + draw.choice((0.5, 1.5, 4)) * visibility
        count = draw.choice((1, 2, len(OPERATIONS)))
        operations = frozenset(draw.sample(list(OPERATIONS), count))
        yield Outage(start, min(end, calm_at), operations)


def _long_outages(draw: random.Random, calm_at: float) -> Iterator[Outage]:
    if draw.random() < HAS_LONG_OUTAGE:
        start = draw.uniform(0, calm_at)
        yield Outage(start, start + draw.choice(OUTAGE_SECONDS), draw.choice(SERVICES))


def _some(draw: random.Random, of: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(draw.sample(of, draw.randint(1, len(of))))
