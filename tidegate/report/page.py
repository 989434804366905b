"""What a page shows, as data: built from a run's facts, without a word of HTML."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tidegate.failures.failed_files import Failure, Group, grouped
from tidegate.report.distributions import Comparison
from tidegate.report.work import Work
from tidegate.runs.request import Request

Tone = Literal["good", "warning", "bad", "open"]
RUNNING = "running"
SHOWN_GROUPS, SHOWN_FILES = 12, 3
SHOWN_WORKERS = 8
SHOWN_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class Counts:
    """How many files a run has, and what became of them."""

    files: int
    predicted: int
    failed: int
    status: str
    """That of the run's summary, or `running`."""
    ended: datetime | None
    """None: the run goes on."""

    @property
    def left(self) -> int:
        """Return how many files are neither predicted nor failed."""
        return max(0, self.files - self.predicted - self.failed)


@dataclass(frozen=True, slots=True)
class Spent:
    """What the workers cost."""

    dollars: float
    worker_hours: float
    at_least: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """The first sentence of the page, and how it looks."""

    tone: Tone
    sentence: str
    details: Sequence[str]


@dataclass(frozen=True, slots=True)
class FailedGroup:
    """Files that failed for one reason, and the commands for them."""

    name: str
    count: int
    message: str
    first: datetime
    last: datetime
    files: Sequence[str]
    resolved: int
    commands: Sequence[tuple[str, str]]
    """Each command with its reason."""

    @property
    def more(self) -> int:
        """Return how many files are not listed."""
        return self.count - len(self.files)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of a run, each part from its own place."""

    request: Request
    counts: Counts
    failures: Sequence[Failure]
    work: Work | None
    """None: the log lines could not be read."""
    spent: Spent | None
    versions: Mapping[str, str]
    comparisons: Sequence[Comparison]
    unanswered: Sequence[str]
    written: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a page shows."""

    facts: Facts
    verdict: Verdict
    groups: Sequence[FailedGroup]
    more_groups: int
    unlisted_failures: int
    """Failed files without a report of this run: another message's failure counts too."""
    comparisons: Sequence[Comparison]
    more_columns: int
    """Prediction columns that are not shown, the ones without a summary among them."""
    workers: Sequence[tuple[str, int]]
    more_workers: int
    failures_command: str
    again_command: str


def page_of(facts: Facts) -> Page:
    """Return the page of a run."""
    groups = grouped(facts.failures)
    stack = facts.request.stack
    workers = list(facts.work.workers.items()) if facts.work else []
    return Page(
        facts=facts,
        verdict=verdict_of(facts),
        groups=[_group(one, stack) for one in groups[:SHOWN_GROUPS]],
        more_groups=max(0, len(groups) - SHOWN_GROUPS),
        unlisted_failures=max(0, facts.counts.failed - len(facts.failures)),
        comparisons=facts.comparisons[:SHOWN_COLUMNS],
        more_columns=max(0, len(facts.comparisons) - SHOWN_COLUMNS) + _left_out(facts.work),
        workers=workers[:SHOWN_WORKERS],
        more_workers=max(0, len(workers) - SHOWN_WORKERS),
        failures_command=_command(stack, "failures"),
        again_command=_command(stack, "report", facts.request.run),
    )


def _left_out(work: Work | None) -> int:
    return max((one.left_out for one in work.predictions.values()), default=0) if work else 0


def verdict_of(facts: Facts) -> Verdict:
    """Return the verdict: good only if every file is predicted, and all is as usual."""
    counts, details = facts.counts, _details(facts)
    files = counted(counts.files, "file")
    if counts.failed:
        verb = "failed" if counts.ended else "failed so far"
        return Verdict("bad", f"{counts.failed:,} of {files} {verb}", details)
    if counts.ended is None:
        return Verdict("open", f"{counts.predicted:,} of {files} predicted so far", details)
    if counts.left:
        return Verdict("warning", f"{counts.left:,} of {files} left without a prediction", details)
    return _verdict_of_predicted(facts, files, details)


def _verdict_of_predicted(facts: Facts, files: str, details: Sequence[str]) -> Verdict:
    """Return the verdict on a run all of whose files are predicted."""
    if facts.work and facts.work.rejected:
        rejected = counted(facts.work.rejected, "row")
        return Verdict("warning", f"{files} predicted, {rejected} rejected", details)
    if files_not_logged(facts):
        return Verdict("open", f"{files} predicted; rejected rows are not known", details)
    if _shifted(facts):
        return Verdict("warning", f"{files} predicted, with a shifted distribution", details)
    return Verdict("good", f"{files} predicted", details)


def _shifted(facts: Facts) -> int:
    return sum(one.is_shifted_far for one in facts.comparisons)


def _details(facts: Facts) -> list[str]:
    counts, work = facts.counts, facts.work
    found = []
    if counts.failed or counts.left:
        found.append(f"{counted(counts.predicted, 'file')} predicted")
    if counts.left and counts.ended is None:
        found.append(f"{counted(counts.left, 'file')} without a result yet")
    elif counts.left and counts.failed:
        found.append(f"{counted(counts.left, 'file')} left without a prediction")
    if work and work.rejected:
        rejected = counted(work.rejected, "row")
        found.append(f"{rejected} rejected in {counted(work.files_with_rejected, 'file')}")
    if resolved := sum(one.resolved for one in facts.failures):
        found.append(f"{counted(resolved, 'failed file')} predicted since")
    if shifted := _shifted(facts):
        verb = "is" if shifted == 1 else "are"
        of = counted(shifted, "prediction column")
        found.append(f"{of} {verb} shifted far from the baseline of the model")
    if unknown := files_not_logged(facts):
        of = counted(unknown, "predicted file")
        found.append(f"no log line of this run for {of}: rows and seconds are without them")
    return found


def files_not_logged(facts: Facts) -> int:
    """Return how many predicted files have no log line, so that their rows are not known."""
    return max(0, facts.counts.predicted - (facts.work.files if facts.work else 0))


def _group(group: Group, stack: str) -> FailedGroup:
    still_failed = [one for one in group.failures if not one.closed]
    first = (still_failed or group.failures)[0]
    commands = [
        (_command(stack, "redrive", group.name, "--first", "1"), "one file, to try"),
        (_command(stack, "redrive", group.name), "all of them, once the cause is mended"),
    ]
    return FailedGroup(
        name=group.name,
        count=len(group.failures),
        message=first.message,
        first=group.first_time,
        last=group.newest.time,
        files=[
            str(one.input) if one.input else "a message that names no file"
            for one in group.failures[:SHOWN_FILES]
        ],
        resolved=sum(one.closed for one in group.failures),
        commands=commands if still_failed else [],
    )


def _command(stack: str, *words: str) -> str:
    return shlex.join(["tidegate", *words, "--stack", stack])


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 file`, `2,000 files`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
