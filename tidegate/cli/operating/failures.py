"""The command `tidegate failures`: which files failed, grouped by cause, and which are resolved."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from rich.console import Console

from tidegate.aws.account import Account
from tidegate.aws.asking import asking, attempt
from tidegate.aws.stack import DeployedStack
from tidegate.cli.operating.screen import (
    Sheet,
    ago,
    confirm,
    count,
    err,
    line,
    opened,
    out,
    plain,
    print_json,
    show,
)
from tidegate.failures import dead_letters
from tidegate.failures.failed_files import Failure, chosen, grouped, joined
from tidegate.failures.redrive import Redrive
from tidegate.failures.reports import StackKeys, newest
from tidegate.operating import queues, run_records
from tidegate.runs.ending import Summary, close_ended
from tidegate.runs.record import Records
from tidegate.runs.stack_runs import StackRuns
from worker.errors import TidegateError

FAILED_FILES = 3  # exit status
SHOWN_FILES = 50  # of a group that is named


@dataclass(frozen=True, slots=True)
class Found:
    """The failures of a stack."""

    failures: Sequence[Failure]
    reports: int  # all of them
    read: int  # the newest of them
    unanswered: Sequence[str]

    @property
    def open(self) -> list[Failure]:
        """Return those that somebody has to do something about."""
        return [one for one in self.failures if not one.closed]

    @property
    def resolved(self) -> list[Failure]:
        """Return those whose output is newer."""
        return [one for one in self.failures if one.resolved]

    @property
    def deleted(self) -> list[Failure]:
        """Return those that ended with the deletion of the input."""
        return [one for one in self.failures if one.closed and not one.resolved]


def find_failures(
    account: Account, stack: DeployedStack, most_reports: int, most_letters: int | None
) -> Found:
    """Read the newest reports, those of runs included, and dead letters, at once."""
    s3, sqs = account.client("s3"), account.client("sqs")  # not while threads run
    layout = StackKeys.of(stack)
    url = stack.outputs["DeadLetterQueueUrl"]

    def layouts() -> list[StackKeys]:
        elsewhere = {one.output_key for one in Records.of_stack(s3, stack).elsewhere()}
        return [layout, *map(layout.below, sorted(elsewhere))]

    with asking() as ask:
        reading = ask.ask("failure reports", lambda: newest(s3, layouts(), most_reports))
        looking = ask.ask("dead letters", lambda: dead_letters.look(sqs, url, most_letters))
        reports, total = reading.get() or ([], 0)
        letters = looking.get() or []
    if len(ask.unanswered) > 1:  # neither is known
        raise TidegateError("\n".join(ask.unanswered))
    return Found(joined(s3, layout, reports, letters), total, len(reports), ask.unanswered)


def failures(
    name: str | None,
    names: Sequence[str],
    *,
    most: int,
    clear: bool,
    yes: bool,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Print the failures, or those that are named; the exit status says whether there are any."""
    account, stack = opened(name, show_commands=show_commands)
    with err().status("[dim]reading failure reports[/]"):
        found = find_failures(account, stack, most, dead_letters.MOST_LOOKED_AT)
    selected, unknown = chosen(found.failures, names)
    for one in unknown:
        line(err(), f"[yellow]no failure is named[/] {plain(one)}: `tidegate failures` lists them")
    found = replace(found, failures=selected)
    _close_runs(account, stack)
    if clear:
        over = [one for one in selected if one.closed or (names and one.deleted)]
        command = shlex.join(["tidegate", "failures", *names, "--clear"])
        if _clear(account, stack, over, yes=yes, command=command):
            found = replace(found, failures=[one for one in selected if one not in over])
    if as_json:
        print_json(_facts(found))
    else:
        _print(out(), found, named=bool(names))
    if unknown:
        return 1
    return FAILED_FILES if found.open else 0


def _close_runs(account: Account, stack: DeployedStack) -> None:
    """Record and tell the end of runs that nobody has waited for."""
    reasons: list[str] = []
    close = partial(_closed_runs, account, stack)
    summaries, missing = attempt("how runs ended", close, reasons) or ((), reasons)
    for one in summaries:
        words = f"{one['status'].replace('_', ' ')}, {count(one['failed'], 'file')} failed"
        line(err(), f"the run [bold]{plain(one['run'])}[/] has ended: {words}")
    for reason in missing:
        line(err(), f"[yellow]unknown[/] {plain(reason)}")


def _closed_runs(account: Account, stack: DeployedStack) -> tuple[Sequence[Summary], Sequence[str]]:
    if queues.count(account.client("sqs"), stack.outputs["QueueUrl"]).all:
        return (), ()
    seen = run_records.look(account.client("s3"), StackKeys.of(stack), datetime.now(UTC))
    sent = [run for run in seen.open_runs if run.all_sent]
    return close_ended(StackRuns(account, stack), sent)


def _clear(
    account: Account, stack: DeployedStack, over: Sequence[Failure], *, yes: bool, command: str
) -> bool:
    """Delete what is left of failures that are over; return whether that was done."""
    if not over:
        return False
    question = f"Delete the reports and dead letters of {count(len(over), 'file')}?"
    if not confirm(question, yes=yes, command=command):
        return False
    sqs, url = account.client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    with dead_letters.held(sqs, url) as (_, delete):
        Redrive.of(account, stack, delete).clear(over)
    line(err(), f"cleared: reports and dead letters of {count(len(over), 'file')}")
    return True


def _print(console: Console, found: Found, *, named: bool) -> None:
    for group in grouped(found.open):
        sheet = Sheet()
        number = count(len(group.failures), "file")
        newest_one = group.newest
        sheet.add("group", f"[bold red]{plain(group.name)}[/]  [bold]{number}[/]")
        sheet.add("why", plain(newest_one.message))
        last, first = ago(newest_one.time), ago(group.first_time)
        sheet.add("last", last if first == last else f"{last}, first {first}")
        for place, one in enumerate(group.failures[: SHOWN_FILES if named else 1]):
            label = "" if place else ("files" if named else "such as")
            sheet.add(label, file_of(one), whole=True)
        if named and (more := len(group.failures) - SHOWN_FILES) > 0:
            sheet.add("", f"[dim]and {more:,} more: --json lists all[/]")
        show(console, sheet)
        console.print()
    show(console, _summary(found, named=named))


def file_of(one: Failure) -> str:
    """Return the file, and what tells it from the same file in another run."""
    file = plain(str(one.input)) if one.input else "[dim]no file: the message is no job[/]"
    notes = [f"run {plain(run)}"] if (run := (one.job or {}).get("run")) else []
    if one.redrives:
        notes.append(f"submitted again {count(one.redrives, 'time')}")
    if one.report is None:
        notes.append("dead letter only")
    return file + (f"  [dim]{', '.join(notes)}[/]" if notes else "")


def _summary(found: Found, *, named: bool) -> Sheet:
    sheet = Sheet()
    if found.open:
        sheet.add("failed", f"[red]{count(len(found.open), 'file')}[/]")
    else:
        sheet.add("failed", "[green]nothing[/]")
    for label, over, why in (
        ("resolved", found.resolved, "an output is newer than the failure"),
        ("deleted", found.deleted, "there is no such input any more"),
    ):
        if over:
            sheet.add(label, f"[green]{count(len(over), 'file')}[/]: {why}")
    if found.resolved or found.deleted:
        sheet.add("", "[dim]`tidegate failures --clear` deletes their reports[/]")
    if found.reports > found.read:
        sheet.add("", f"[dim]the newest {found.read:,} of {found.reports:,} reports were read[/]")
    if found.open:
        sheet.add_next(_next_steps(found.open, named=named))
    sheet.add_unknown(found.unanswered)
    return sheet


def _next_steps(failed: Sequence[Failure], *, named: bool) -> list[tuple[str, str]]:
    """Return the commands to type next, each with its reason."""
    job = next((one for one in failed if one.input), None)
    group = shlex.quote(job.group if job else "GROUP")
    look = (f"tidegate failures {group}", "each file of a group")
    if named and job and job.input:
        look = (f"tidegate show {shlex.quote(str(job.input))}", "all that is known of a file")
    return [look, (f"tidegate redrive {group} --first 1", "once the cause is mended")]


def _facts(found: Found) -> dict[str, Any]:
    return {
        "failed": len(found.open),
        "resolved": len(found.resolved),
        "deleted": len(found.deleted),
        "reports": found.reports,
        "groups": [
            {
                "group": group.name,
                "error_type": group.newest.error_type,
                "masked": group.newest.masked,
                "count": len(group.failures),
                "first": group.first_time,
                "last": group.newest.time,
                "files": [_file_facts(one) for one in group.failures],
            }
            for group in grouped(found.open)
        ],
        "resolved_files": [_file_facts(one) for one in found.resolved],
        "deleted_files": [_file_facts(one) for one in found.deleted],
        "unanswered": list(found.unanswered),
    }


def _file_facts(one: Failure) -> dict[str, Any]:
    return {
        "input": str(one.input) if one.input else None,
        "error_type": one.error_type,
        "message": one.message,
        "time": one.time,
        "report": one.report.listed.key if one.report else None,
        "dead_letters": len(one.letters),
        "redrives": one.redrives,
        "run": (one.job or {}).get("run"),
    }
