"""The command `tidegate submit`: what of a prefix, or of a list, is not predicted yet."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from tidegate.cli.operating.redrive import wake
from tidegate.cli.operating.screen import (
    Sheet,
    count,
    err,
    line,
    opened,
    out,
    plain,
    print_json,
    show,
    took,
)
from tidegate.cli.runs.report import write_page
from tidegate.cli.runs.wait import follow
from tidegate.runs.choice import Chosen, Counts
from tidegate.runs.cost import BYTES_A_SECOND, FILES_A_SECOND, START_SECONDS, Estimate
from tidegate.runs.record import Record
from tidegate.runs.request import Request, new_run
from tidegate.runs.stack_runs import StackRuns
from tidegate.runs.submitting import Submitter
from worker.errors import SettingsError

SOME_FAILED = 3  # exit status
SHOWN_ABSENT = 20
MANY = 1000  # messages, after which the first workers start while others are sent
UNIT, UNITS = 1000, ("B", "KB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Wish:
    """The arguments of the command that say what the run is."""

    source: str | None
    manifest: Path | None
    run: str | None
    include: Sequence[str]
    exclude: Sequence[str]
    since: datetime | None
    limit: int | None
    again: bool
    output_key: str | None
    assignments: Sequence[str]

    @property
    def is_named(self) -> bool:
        """Whether a list names the files."""
        return self.source == "-" or self.manifest is not None

    def check(self) -> None:
        """Raise SettingsError unless there is one source, or a run that has one."""
        if self.source and self.manifest:
            raise SettingsError("give a prefix or --manifest, not both")
        if not (self.source or self.manifest or self.run):
            raise SettingsError(
                "say which files: s3://BUCKET/PREFIX, `-` for a list on standard input, or "
                "--manifest FILE"
            )
        if self.source and self.source != "-" and not self.source.startswith("s3://"):
            raise SettingsError(f"{self.source} is no S3 URI such as s3://BUCKET/PREFIX")

    @contextmanager
    def lines(self) -> Iterator[Iterable[str]]:
        """Open the list of files; an empty one where a prefix says which."""
        if self.manifest is not None:
            with self.manifest.open(encoding="utf-8") as file:
                yield file
        else:
            yield sys.stdin if self.source == "-" else ()


def submit(
    name: str | None,
    wish: Wish,
    *,
    dry_run: bool,
    wait: bool,
    report: Path | None,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Submit the files of a run that need it; return the exit status."""
    wish.check()
    if report is not None and not wait:
        raise SettingsError("--report is written at the end of the run: give --wait too")
    account, stack = opened(name, show_commands=show_commands)
    runs = StackRuns(account, stack)
    request, record, is_new = request_of(runs, wish)
    counts = Counts()
    with wish.lines() as lines:
        chosen = runs.chosen(request, counts, lines)
        sent = parts = 0
        if not is_new:
            chosen, sent, parts = runs.not_sent(record, request, chosen)
        if request.limit is not None:
            chosen = islice(chosen, max(0, request.limit - sent))
        if dry_run:
            _foretell(runs, chosen, counts, as_json=as_json)
            return SOME_FAILED if counts.absent else 0
        sending = _Sending(runs)
        submitter = runs.submitter(request, record, sending)
        submitter.first_part = parts + 1
        with sending.status:
            total = sent + _send(submitter, chosen, sent)
    if submitter.sent:
        wake(account, stack)
    if total and record.end_of_sending() is None:
        record.write_end_of_sending(_counted(counts) | {"files": total})
    _report(request, counts, total, as_json=as_json and not (wait and total), follows=wait)
    status = SOME_FAILED if counts.absent else 0
    if wait and total:
        status = max(status, follow(runs, record, request, as_json=as_json))
        if report is not None:
            write_page(runs, record, request, report)
    return status


def request_of(runs: StackRuns, wish: Wish) -> tuple[Request, Record, bool]:
    """Return the run's request: that which is recorded, if the run has begun already."""
    request = _new_request(runs, wish)
    record = runs.records.of(request.run)
    recorded = record.request() if wish.run else None
    if recorded is None:
        if not (wish.source or wish.manifest):
            raise SettingsError(
                f"there is no run {wish.run}: say which files it has, as s3://BUCKET/PREFIX"
            )
        return request, record, True
    given = wish.source or wish.manifest
    if given and not recorded.asks_as(request):
        raise SettingsError(
            f"the run {wish.run} asks for something else: `tidegate submit --run {wish.run}` goes "
            "on with what it asks for; without --run another run begins"
        )
    if recorded.named and not given:
        raise SettingsError("this run has a list of files: give it again, by `-` or --manifest")
    return recorded, record, False


def _new_request(runs: StackRuns, wish: Wish) -> Request:
    stack, out = runs.stack, runs.stack.outputs
    by_prefix = wish.source and not wish.is_named
    request = Request(
        run=wish.run or new_run(),
        stack=stack.name,
        by=runs.account.caller,
        began=runs.s3_time(),
        bucket=out["InputBucket"],
        prefix=runs.check_source(wish.source or "") if by_prefix else runs.input_prefix,
        output_bucket=out["OutputBucket"],
        output_key=runs.check_output_key(wish.output_key),
        model=stack.parameters.get("Model", ""),
        model_sha256=stack.parameters.get("ModelSha256", ""),
        named=wish.is_named,
        include=tuple(wish.include),
        exclude=tuple(wish.exclude),
        since=wish.since,
        limit=wish.limit,
        again=wish.again,
        settings=runs.check_settings(wish.assignments),
    )
    _ = request.submission  # raises SettingsError for a name that no run may have
    return request


class _Sending:
    """What the terminal shows while messages are sent; the first many start workers."""

    def __init__(self, runs: StackRuns) -> None:
        self.status = err().status("[dim]looking for files[/]")
        self._runs = runs
        self._is_awake = False

    def __call__(self, sent: int) -> None:
        self.status.update(f"[dim]{count(sent, 'file')} submitted[/]")
        if sent >= MANY and not self._is_awake:
            self._is_awake = True
            wake(self._runs.account, self._runs.stack)


def _send(submitter: Submitter, chosen: Iterable[Chosen], before: int) -> int:
    """Send all messages; an interruption says how to go on."""
    try:
        sent = submitter.run(chosen)
    except BaseException:
        if before + submitter.sent:
            request = submitter.request
            number = count(before + submitter.sent, "file")
            again = f"tidegate submit --run {request.run}"
            again += " --manifest FILE" if request.named else ""
            line(err(), f"[yellow]interrupted[/] after {number}: `{again}` submits the others")
        raise
    return sent


def _counted(counts: Counts) -> dict[str, Any]:
    return {
        "files": counts.files,
        "bytes": counts.bytes,
        "skipped_done": counts.done,
        "skipped_failed": counts.failed,
        "not_selected": counts.not_selected,
        "absent": len(counts.absent),
    }


def _foretell(runs: StackRuns, chosen: Iterable[Chosen], counts: Counts, *, as_json: bool) -> None:
    """Print what the run would do."""
    with err().status("[dim]looking for files[/]"):
        for _ in chosen:
            pass
    estimate = Estimate.of(counts.files, counts.bytes, runs.stack.parameters)
    if as_json:
        print_json({"dry_run": True, **_counted(counts), "estimate": estimate})
        return
    sheet = Sheet()
    sheet.add("would send", f"[bold]{count(counts.files, 'file')}[/], {_size(counts.bytes)}")
    _add_skipped(sheet, counts)
    if counts.files:
        workers = count(estimate.workers, "worker")
        sheet.add("about", f"{took(estimate.seconds)} with {workers}, ${estimate.dollars:.3f}")
        sheet.add(
            "assumed",
            f"[dim]{FILES_A_SECOND} files and {_size(BYTES_A_SECOND)} a second for a vCPU, "
            f"{START_SECONDS} s to start a worker, none at work yet; prices of us-east-1[/]",
        )
    show(out(), sheet)


def _report(request: Request, counts: Counts, total: int, *, as_json: bool, follows: bool) -> None:
    """Print what was sent and what was skipped."""
    run = request.run if total else None
    if as_json:
        print_json({"run": run, **_counted(counts), "files": total})
        return
    sheet = Sheet()
    if run:
        sheet.add("run", f"[bold]{plain(run)}[/]")
    sent = f"[bold]{count(total, 'file')}[/], {_size(counts.bytes)}" if total else "nothing to do"
    sheet.add("submitted", sent)
    _add_skipped(sheet, counts)
    if run and not follows:
        sheet.add_next([(f"tidegate wait {shlex.quote(run)}", "until the run has ended")])
    show(err(), sheet)


def _add_skipped(sheet: Sheet, counts: Counts) -> None:
    if counts.done:
        sheet.add("skipped", f"{count(counts.done, 'file')}: done")
    if counts.failed:
        text = f"{count(counts.failed, 'file')}: failed, and not changed since"
        sheet.add("skipped", f"{text}  [dim]`tidegate failures` says why, --again submits them[/]")
    if counts.not_selected:
        sheet.add("others", f"[dim]{count(counts.not_selected, 'object')} not selected[/]")
    for key in counts.absent[:SHOWN_ABSENT]:
        sheet.add("absent", f"[red]{plain(key)}[/]")
    if (more := len(counts.absent) - SHOWN_ABSENT) > 0:
        sheet.add("", f"and {more:,} more")


def _size(number: float) -> str:
    for unit in UNITS[:-1]:
        if number < UNIT:
            return f"{number:.3g} {unit}"
        number /= UNIT
    return f"{number:.3g} {UNITS[-1]}"
