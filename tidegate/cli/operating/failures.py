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
        """Return those that no output resolves."""
        return [one for one in self.failures if not one.resolved]

    @property
    def resolved(self) -> list[Failure]:
        """Return those whose output is newer."""
        return [one for one in self.failures if one.resolved]


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
        _clear(account, stack, found.resolved, yes=yes)
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
    account: Account, stack: DeployedStack, resolved: Sequence[Failure], *, yes: bool
) -> None:
    if not resolved:
        return
    question = f"Delete the reports and dead letters of {count(len(resolved), 'resolved file')}?"
    if not confirm(question, yes=yes, command="tidegate failures --clear"):
        return
    sqs, url = account.client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    with dead_letters.held(sqs, url) as (_, delete):
        Redrive.of(account, stack, delete).clear(resolved)
    line(err(), f"cleared: {count(len(resolved), 'resolved file')}")


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
    show(console, _summary(found))


def file_of(one: Failure) -> str:
    """Return the file, and what tells it from the same file in another run."""
    file = plain(str(one.input)) if one.input else "[dim]no file: the message is no job[/]"
    notes = [f"run {plain(run)}"] if (run := (one.job or {}).get("run")) else []
    if one.redrives:
        notes.append(f"submitted again {count(one.redrives, 'time')}")
    if one.report is None:
        notes.append("dead letter only")
    return file + (f"  [dim]{', '.join(notes)}[/]" if notes else "")


def _summary(found: Found) -> Sheet:
    sheet = Sheet()
    if found.open:
        sheet.add("failed", f"[red]{count(len(found.open), 'file')}[/]")
    else:
        sheet.add("failed", "[green]nothing[/]")
    if found.resolved:
        text = (
            f"[green]{count(len(found.resolved), 'file')}[/]: an output is newer than the failure"
        )
        sheet.add("resolved", f"{text}  [dim]`tidegate failures --clear` deletes their reports[/]")
    if found.reports > found.read:
        sheet.add("", f"[dim]the newest {found.read:,} of {found.reports:,} reports were read[/]")
    if found.open:
        example = shlex.quote(next((one.group for one in found.open if one.job), "GROUP"))
        sheet.add_next(
            [
                (f"tidegate failures {example}", "each file of a group"),
                (f"tidegate redrive {example} --first 1", "once the cause is mended"),
            ]
        )
    sheet.add_unknown(found.unanswered)
    return sheet


def _facts(found: Found) -> dict[str, Any]:
    return {
        "failed": len(found.open),
        "resolved": len(found.resolved),
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
