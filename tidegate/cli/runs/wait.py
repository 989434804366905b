"""The command `tidegate wait`: follows a run to its end, and records how it ended."""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.aws.errors import AwsError
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
from tidegate.cli.runs.report import SOME_FAILED, write_page
from tidegate.cli.runs.run_screen import RunScreen
from tidegate.failures.failed_files import NO_REASON, NO_REASON_MESSAGE
from tidegate.operating import queues
from tidegate.runs.ending import End, close, with_results, without_messages
from tidegate.runs.following import Progress
from tidegate.runs.record import Record, is_cancelled, read_request
from tidegate.runs.request import Request
from tidegate.runs.stack_runs import StackRuns

POLL_SECONDS = 3.0
QUIET_SECONDS = 180.0  # SQS's counts are about a minute late


def wait(
    name: str | None, run: str | None, *, report: Path | None, as_json: bool, show_commands: bool
) -> int:
    """Follow a run to its end; the exit status says whether all of it was predicted."""
    account, stack = opened(name, show_commands=show_commands)
    runs = StackRuns(account, stack)
    record, request = read_request(runs.records, run)
    summary = record.summary()
    if summary is not None:
        status = _print(summary, as_json=as_json)
    else:
        status = follow(runs, record, request, as_json=as_json)
    if report is not None:
        write_page(runs, record, request, report)
    return status


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
        with RunScreen(err(), clock) as screen:
            end = _Watch(runs, record, request, screen, sleep, clock).to_the_end()
    except KeyboardInterrupt:
        line(err(), f"\n[bold]the run goes on[/]: `tidegate wait {request.run}` follows it again")
        return 128 + signal.SIGINT
    summary, missing = close(runs, record, request, end)
    for reason in missing:
        line(err(), f"[yellow]{plain(reason)}[/]")
    return _print(summary, as_json=as_json)


@dataclass(slots=True)
class _Watch:
    """Looks at a run until it ends, or until nothing more can come of it."""

    runs: StackRuns
    record: Record
    request: Request
    screen: RunScreen
    sleep: Callable[[float], None]
    clock: Callable[[], float]

    def to_the_end(self) -> End:
        """Return how the run has ended; raises AwsError if it cannot end."""
        follower = self.runs.follower(self.request, self.record)
        all_sent = self.record.end_of_sending() is not None
        changed_at, before = self.clock(), -1
        while True:
            began = self.clock()
            found = follower.look()
            self._show(found)
            if end := with_results(found, all_sent=all_sent):
                return end
            ended = found.predicted + found.failed
            if ended != before:
                changed_at, before = self.clock(), ended
            quiet = self.clock() - changed_at
            if end := self._end_without_results(found, quiet, all_sent=all_sent):
                return end
            self.sleep(max(POLL_SECONDS, self.clock() - began))
            if not all_sent:  # more may have been sent since
                all_sent = self.record.end_of_sending() is not None
                follower = self.runs.follower(self.request, self.record)

    def _show(self, found: Progress) -> None:
        for source in found.failures:
            if source.key not in self.screen.failures:
                inquiry = self.runs.inquiry(self.request)
                self.screen.show_failure(source.key, *inquiry.reason(source))
        self.screen.show(found)

    def _end_without_results(self, found: Progress, quiet: float, *, all_sent: bool) -> End | None:
        """Return how a run ends whose last files will have neither an output nor a report."""
        account, url = self.runs.account, self.runs.stack.outputs["QueueUrl"]
        waiting = queues.count(account.client("sqs"), url).all
        if waiting:
            # A cancelled run ends, too, if it is another one's messages that wait.
            is_over = quiet >= QUIET_SECONDS and is_cancelled(account.client("s3"), self.request)
            return End(found, "cancelled") if is_over else None
        end = without_messages(self.runs, self.request, found, all_sent=all_sent)
        if end is not None:
            for key in end.dead:
                self.screen.show_failure(key, NO_REASON, NO_REASON_MESSAGE)
            return end
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
        hours = took(summary["worker_hours"] * 3600)
        sheet.add("cost", f"{least}${dollars:.4f}: the workers ran for {hours}")
    if summary["failed"]:
        sheet.add_next(
            [("tidegate failures", "why"), ("tidegate redrive GROUP", "once it is mended")]
        )
    show(out(), sheet)
    return status
