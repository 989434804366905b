"""The command `tidegate report`: a run as one page of HTML."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from tidegate.cli.operating.failures import find_failures
from tidegate.cli.operating.screen import err, line, opened, plain
from tidegate.failures import dead_letters
from tidegate.failures.reports import NEWEST
from tidegate.operating import queues
from tidegate.report.gathering import gather
from tidegate.report.page import RUNNING, Counts, files_not_logged, page_of
from tidegate.report.rendering import html
from tidegate.runs.ending import Summary, close, with_results, without_messages
from tidegate.runs.record import Record, read_request
from tidegate.runs.request import Request
from tidegate.runs.stack_runs import StackRuns
from worker.errors import SettingsError, TidegateError

SOME_FAILED = 3  # exit status
LOOKS, POLL_SECONDS = 7, 5.0  # CloudWatch finds a line some seconds after it was written


def report(name: str | None, run: str | None, *, output: Path | None, show_commands: bool) -> int:
    """Write the page of a run; the exit status says whether files failed."""
    if output is None and sys.stdout.isatty():
        raise SettingsError(
            "a page is for a browser, not for a terminal: `tidegate report > report.html`, or "
            "--output FILE"
        )
    account, stack = opened(name, show_commands=show_commands)
    runs = StackRuns(account, stack)
    record, request = read_request(runs.records, run)
    with err().status("[dim]reading the run[/]"):
        counts = _write(runs, record, request, output, looks=1)
    is_well = counts.status in {"completed", RUNNING} and not counts.failed
    return 0 if is_well else SOME_FAILED


def write_page(
    runs: StackRuns,
    record: Record,
    request: Request,
    output: Path,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Write the page of a run that has just ended: its last log lines may come a little later."""
    with err().status("[dim]writing the report[/]"):
        _write(runs, record, request, output, looks=LOOKS, sleep=sleep)
    line(err(), f"report: {plain(output)}")


def _write(
    runs: StackRuns,
    record: Record,
    request: Request,
    output: Path | None,
    *,
    looks: int,
    sleep: Callable[[float], None] = time.sleep,
) -> Counts:
    summary = record.summary() or _closed(runs, record, request)
    try:
        found = find_failures(runs.account, runs.stack, NEWEST, dead_letters.MOST_LOOKED_AT)
        failures, unanswered = found.failures, found.unanswered
    except TidegateError as error:  # the page says that they are not known
        failures, unanswered = (), [str(error)]
    for look in range(looks):
        if look:
            sleep(POLL_SECONDS)
        facts = gather(
            runs, record, request, summary=summary, failures=failures, unanswered=unanswered
        )
        if facts.work is None or not files_not_logged(facts):
            break
    text = html(page_of(facts))
    if output is None:
        sys.stdout.write(text)
    else:
        output.write_text(text, encoding="utf-8")
    return facts.counts


def _closed(runs: StackRuns, record: Record, request: Request) -> Summary | None:
    """Record the end of a run that nobody has waited for, and return it; None: it goes on."""
    all_sent = record.end_of_sending() is not None
    found = runs.follower(request, record).look()
    end = with_results(found, all_sent=all_sent)
    sqs, queue = runs.account.client("sqs"), runs.stack.outputs["QueueUrl"]
    if end is None and not queues.count(sqs, queue).all:
        end = without_messages(runs, request, found, all_sent=all_sent)
    if end is None:
        return None
    summary, missing = close(runs, record, request, end)
    for reason in missing:
        line(err(), f"[yellow]{plain(reason)}[/]")
    return summary
