"""The command `tidegate wait`: follows a run to its end, and records how it ended."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tidegate.aws.errors import AwsError, explained
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
from tidegate.operating import dead_letters, queues
from tidegate.operating.failures import NO_REASON, NO_REASON_MESSAGE
from tidegate.operating.usage import Cost
from tidegate.runs.cost import cost_of
from tidegate.runs.following import ASKED, SHOWN_FAILURES
from tidegate.runs.following import Progress as Found
from tidegate.runs.record import Record, is_cancelled, read_request
from tidegate.runs.request import Request
from tidegate.runs.stack_runs import StackRuns

SOME_FAILED = 3  # exit status
POLL_SECONDS = 3.0
LINE_SECONDS = 10.0  # between two lines where there is no terminal
QUIET_SECONDS = 180.0  # SQS's counts are about a minute late


def wait(name: str | None, run: str | None, *, as_json: bool, show_commands: bool) -> int:
    """Follow a run to its end; the exit status says whether all of it was predicted."""
    account, stack = opened(name, show_commands=show_commands)
    runs = StackRuns(account, stack)
    record, request = read_request(runs.records, run)
    summary = record.summary()
    if summary is not None:
        return _print(summary, as_json=as_json)
    return follow(runs, record, request, as_json=as_json)


def follow(
    runs: StackRuns,
    record: Record,
    request: Request,
    *,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Look again and again until the run has ended; Ctrl-C leaves the run as it is."""
    try:
        with _Screen(err(), request.run, clock) as screen:
            found, dead, status = _Watch(runs, record, request, screen, sleep, clock).to_the_end()
    except KeyboardInterrupt:
        line(err(), f"\n[bold]the run goes on[/]: `tidegate wait {request.run}` follows it again")
        return 128 + signal.SIGINT
    summary = _summary(runs, request, found, dead, status)
    record.write_summary(summary)
    return _print(summary, as_json=as_json)


@dataclass(slots=True)
class _Watch:
    """Looks at a run until it ends, or until nothing more can come of it."""

    runs: StackRuns
    record: Record
    request: Request
    screen: "_Screen"
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def to_the_end(self) -> tuple[Found, int, str]:
        """Return the last look, the number of dead letters without a report, and the status."""
        follower = self.runs.follower(self.request, self.record)
        all_sent = self.record.end_of_sending() is not None
        changed_at, before = self.clock(), -1
        while True:
            began = self.clock()
            found = follower.look()
            self._show(found)
            ended = found.predicted + found.failed
            if found.is_finished and all_sent:
                return found, 0, "completed_with_failures" if found.failed else "completed"
            if ended != before:
                changed_at, before = self.clock(), ended
            quiet = self.clock() - changed_at
            if end := self._end_without_results(found, quiet, all_sent=all_sent):
                return found, *end
            self.sleep(max(POLL_SECONDS, self.clock() - began))
            if not all_sent:  # more may have been sent since
                all_sent = self.record.end_of_sending() is not None
                follower = self.runs.follower(self.request, self.record)

    def _show(self, found: Found) -> None:
        for source in found.failures:
            if source.key not in self.screen.failures:
                inquiry = self.runs.inquiry(self.request)
                self.screen.show_failure(source.key, *inquiry.reason(source))
        self.screen.show(found)

    def _end_without_results(
        self, found: Found, quiet: float, *, all_sent: bool
    ) -> tuple[int, str] | None:
        """Return how a run ends whose last files will have neither an output nor a report."""
        sqs, outputs = self.runs.account.client("sqs"), self.runs.stack.outputs
        if queues.count(sqs, outputs["QueueUrl"]).all and quiet < QUIET_SECONDS:
            return None
        if is_cancelled(self.runs.account.client("s3"), self.request):
            return 0, "cancelled"
        if queues.count(sqs, outputs["QueueUrl"]).all:
            return None
        dead = self._dead(found)
        if all_sent and dead and found.predicted + found.failed + dead == found.files:
            return dead, "completed_with_failures"
        if quiet < QUIET_SECONDS:
            return None
        left = found.files - found.predicted - found.failed
        again = f"tidegate submit --run {self.request.run}"
        if not all_sent:
            raise AwsError(f"not all files of the run were submitted: `{again}` submits the others")
        raise AwsError(
            f"{count(left, 'file')} of the run {self.request.run}: no message is left, and neither "
            "an output nor a report is there. "
            f"`tidegate submit {self.request.source}` submits them in another run"
        )

    def _dead(self, found: Found) -> int:
        """Count dead letters of the run without a report: no worker could write one."""
        if not found.left or len(found.left) > ASKED:
            return 0
        sqs, url = self.runs.account.client("sqs"), self.runs.stack.outputs["DeadLetterQueueUrl"]
        run = self.request.run
        jobs = [one.job for one in dead_letters.look(sqs, url) if one.job]
        dead = {job["key"] for job in jobs if job.get("run") == run}
        keys = [one.source.key for one in found.left if one.source.key in dead]
        for key in keys:
            self.screen.show_failure(key, NO_REASON, NO_REASON_MESSAGE)
        return len(keys)


@dataclass(slots=True)
class _Screen:
    """A bar on a terminal, else a line now and then; failures as they come."""

    console: Console
    run: str
    clock: Callable[[], float]
    failures: set[str] = field(default_factory=set)
    _bar: Progress | None = None
    _first: tuple[float, int] | None = None
    _line_at: float | None = None
    _shown: str = ""

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._bar = Progress(
                BarColumn(bar_width=None),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.description}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
                transient=True,
                expand=True,
            )
            self._bar.add_task("", total=1)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, found: Found) -> None:
        """Show how far the run is, how fast it goes, and when it will end."""
        done = found.predicted + found.failed
        if self._bar is not None:
            rate = f"{self._rate(done):.0f}/s" if self._rate(done) else ""
            failed = f"[red]{found.failed} ✗[/] " if found.failed else ""
            (task,) = self._bar.task_ids
            self._bar.update(task, completed=done, total=found.files, description=f"{failed}{rate}")
            return
        now = self.clock()
        text = self._text(found, done)
        if text != self._shown and (self._line_at is None or now - self._line_at >= LINE_SECONDS):
            line(self.console, text)
            self._line_at, self._shown = now, text

    def _text(self, found: Found, done: int) -> str:
        text = f"{done:,} of {count(found.files, 'file')}"
        text += f", {found.failed:,} failed" if found.failed else ""
        rate = self._rate(done)
        return text + (f", {rate:.1f}/s, {took((found.files - done) / rate)} left" if rate else "")

    def _rate(self, done: int) -> float:
        if self._first is None:
            self._first = self.clock(), done
        seconds = self.clock() - self._first[0]
        return (done - self._first[1]) / seconds if seconds > 0 else 0.0

    def show_failure(self, key: str, error_type: str, message: str) -> None:
        """Print a file that failed, once, and no more than the first ones."""
        if key in self.failures or len(self.failures) >= SHOWN_FAILURES:
            return
        self.failures.add(key)
        console = self.console if self._bar is None else self._bar.console
        line(console, f"[red]✗[/] {plain(key)}: [bold]{plain(error_type)}[/] {plain(message)}")


def _summary(
    runs: StackRuns, request: Request, found: Found, dead: int, status: str
) -> Mapping[str, Any]:
    ended = found.last or datetime.now(UTC)
    cost = _cost(runs, request, ended)
    failed = found.failed + dead
    return {
        "version": 1,
        "run": request.run,
        "status": status,
        "stack": request.stack,
        "source": request.source,
        "model": request.model,
        "model_sha256": request.model_sha256 or None,
        "began": request.began.isoformat(),
        "ended": ended.isoformat(),
        "seconds": (ended - request.began).total_seconds(),
        "files": found.files,
        "predicted": found.predicted,
        "failed": failed,
        "cancelled": found.files - found.predicted - failed,
        "dollars": None if cost is None else round(cost.dollars, 6),
        "worker_hours": None if cost is None else round(cost.hours, 4),
        "dollars_at_least": cost is not None and cost.at_least,
    }


def _cost(runs: StackRuns, request: Request, ended: datetime) -> Cost | None:
    """Return what the workers cost; None, and a line, if that could not be asked."""
    try:
        return cost_of(runs.account, runs.stack, request.began, ended)
    except Exception as error:
        if (reason := explained(error)) is None:
            raise
        line(err(), f"[yellow]the cost is unknown[/]: {plain(reason)}")
        return None


def _print(summary: Mapping[str, Any], *, as_json: bool) -> int:
    """Print how a run ended; return the exit status."""
    status = SOME_FAILED if summary["status"] != "completed" else 0
    if as_json:
        print_json({name: value for name, value in summary.items() if name != "version"})
        return status
    sheet = Sheet()
    colour = "green" if summary["status"] == "completed" else "red"
    words = summary["status"].replace("_", " ")
    sheet.add("run", f"[bold]{plain(summary['run'])}[/]  [{colour}]{words}[/]")
    sheet.add("predicted", f"{summary['predicted']:,} of {count(summary['files'], 'file')}")
    if summary["failed"]:
        sheet.add("failed", f"[red]{count(summary['failed'], 'file')}[/]")
    if summary["cancelled"]:
        sheet.add("cancelled", count(summary["cancelled"], "file"))
    sheet.add("took", took(summary["seconds"]))
    dollars = summary["dollars"]
    if dollars is not None:
        least = "at least " if summary["dollars_at_least"] else "about "
        sheet.add("cost", f"{least}${dollars:.4f} for {summary['worker_hours']:.2f} worker hours")
    if summary["failed"]:
        sheet.add_next(
            [("tidegate failures", "why"), ("tidegate redrive GROUP", "once it is mended")]
        )
    show(out(), sheet)
    return status
