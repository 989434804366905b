"""What became of a polluted file: right, refused, rows rejected, or silently wrong."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing import get_context

from worker.interfaces import ScoreOptions

Row = tuple[str, ...]


class Verdict(StrEnum):
    """The outcomes, from the best to the worst."""

    RIGHT = "right"
    REJECTED = "rows rejected, the others right"
    REFUSED = "refused"
    UNSEEN = "wrong, and no reader can see it"
    WRONG = "silently wrong"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True)
class Truth:
    """The table that a person sees in a file."""

    headers: tuple[Row, ...]
    """The header, and others that are as right."""
    rows: tuple[tuple[Row, ...], ...]
    """For each row the forms in which it may be accepted; none: it must be rejected."""
    optional: frozenset[Row] = frozenset()
    """Rows that may be accepted or not: only their meaning tells that they are no rows."""

    @classmethod
    def of(cls, header: Row, rows: Iterable[Row]) -> "Truth":
        """Return the truth about a file without ambiguity."""
        return cls((header,), tuple((row,) for row in rows))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a reader accepted of a file, and how many rows it rejected."""

    header: Row
    rows: Sequence[Row]
    rejected: int


class RefusedError(Exception):
    """The reader refused the file as a whole."""


@dataclass(frozen=True, slots=True)
class Polluted:
    """A file, the table in it, and the settings that its owner has made."""

    name: str
    body: bytes
    truth: Truth
    ambiguous: str = ""
    """Why even a person cannot be certain of the truth."""
    settings: ScoreOptions = field(default_factory=ScoreOptions)


Load = Callable[[Polluted], Loaded]


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on a file; for a wrong one, what is wrong."""

    file: Polluted
    verdict: Verdict
    reason: str = ""


def judge(file: Polluted, load: Load, excuse: Load | None = None) -> Judged:
    """Read a file, and compare what was accepted with the truth.

    A wrong file is excused if another reader, which checks all that can be checked, reads the same.
    """
    try:
        loaded = load(file)
    except RefusedError as error:
        return Judged(file, Verdict.REFUSED, str(error))
    except Exception as error:  # noqa: BLE001 - a crash is a verdict
        return Judged(file, Verdict.CRASHED, f"{type(error).__name__}: {error}")
    if wrong := _what_is_wrong(loaded, file.truth):
        unseen = excuse is not None and _reads_the_same(excuse, file, loaded)
        return Judged(file, Verdict.UNSEEN if unseen else Verdict.WRONG, wrong)
    return Judged(file, Verdict.REJECTED if loaded.rejected else Verdict.RIGHT)


def _reads_the_same(load: Load, file: Polluted, loaded: Loaded) -> bool:
    try:
        other = load(file)
    except RefusedError:
        return False
    return (other.header, list(other.rows)) == (loaded.header, list(loaded.rows))


def judge_in_a_process(
    files: Iterable[Polluted], load: Load, excuse: Load | None = None
) -> Iterator[Judged]:
    """Judge files in another process, since a reader may abort; then a new process goes on."""
    with ExitStack() as processes:
        pool = processes.enter_context(_process())
        for file in files:
            try:
                yield pool.submit(judge, file, load, excuse).result()
            except BrokenProcessPool:
                yield Judged(file, Verdict.CRASHED, "the process died")
                pool = processes.enter_context(_process())


def _process() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _what_is_wrong(loaded: Loaded, truth: Truth) -> str:
    """Return why the accepted rows are not the true ones; empty: they are."""
    if loaded.header not in truth.headers and (loaded.rows or not truth.rows):
        return f"header {_short(loaded.header)}"
    rows = [row for row in loaded.rows if row not in truth.optional]
    position = 0
    for row in rows:
        while position < len(truth.rows) and row not in truth.rows[position]:
            position += 1
        if position == len(truth.rows):
            return f"row {_short(row)}"
        position += 1
    lost = len(truth.rows) - len(loaded.rows) - loaded.rejected
    if lost > 0 and (loaded.rows or not loaded.rejected):
        return f"{lost} rows are neither accepted nor rejected"
    return ""


def _short(row: Row) -> str:
    text = repr(row)
    return text if len(text) <= 200 else f"{text[:197]}..."


def share(judged: Sequence[Judged]) -> str:
    """Return the counts of the verdicts as a line."""
    counts = Counter(one.verdict for one in judged)
    return f"{len(judged):5} files: " + ", ".join(
        f"{counts[verdict]} {verdict}" for verdict in Verdict
    )
