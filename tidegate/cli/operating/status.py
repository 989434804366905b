"""The command `tidegate status`: one screen of what a stack does, and what to do next."""

import time
from collections.abc import Callable
from functools import partial

from rich.live import Live

from tidegate.aws.account import Account
from tidegate.aws.asking import attempt
from tidegate.aws.stack import DeployedStack, find
from tidegate.cli.operating.screen import (
    opened,
    out,
    print_json,
    show,
)
from tidegate.cli.operating.status_screen import SHOWN_RUNS, facts, sheet_of
from tidegate.operating.status import Status, look
from tidegate.runs.ending import close_ended
from tidegate.runs.following import ASKED
from tidegate.runs.stack_runs import StackRuns

WATCH_SECONDS = 5


def status(
    name: str | None,
    *,
    watch: bool,
    as_json: bool,
    show_commands: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Look once, or again and again until Ctrl-C, and print each look."""
    account, stack = opened(name, show_commands=show_commands)
    console = out()
    if as_json or not (watch and console.is_terminal):
        while True:
            found = look(account, stack) if watch else _look_and_close(account, stack)
            if as_json:
                print_json(facts(found), indent=None if watch else 2)
            else:
                show(console, sheet_of(found))
            if not watch:
                return 0
            if not as_json:
                console.print()
            sleep(WATCH_SECONDS)
            stack = find(account, stack.name)
    _watch(account, stack, sleep)
    return 0


def _look_and_close(account: Account, stack: DeployedStack) -> Status:
    """Look once, and record the end of small runs that nobody has waited for."""
    found = look(account, stack)
    if found.seen is None or found.jobs is None or found.jobs.all:
        return found
    small = [run for run in found.seen.open_runs if run.all_sent and run.files <= ASKED]
    close = partial(close_ended, StackRuns(account, stack), small[-SHOWN_RUNS:])
    reasons: list[str] = []
    summaries, missing = attempt("how runs ended", close, reasons) or ((), reasons)
    return found.with_ended(summaries, missing)


def _watch(account: Account, stack: DeployedStack, sleep: Callable[[float], None]) -> None:
    with Live(console=out(), screen=True, auto_refresh=False) as live:
        while True:
            found = look(account, stack)
            sheet = sheet_of(found)
            seen = found.now.astimezone().strftime("%H:%M:%S")
            sheet.add("", f"[dim]{seen}, again every {WATCH_SECONDS} s until Ctrl-C[/]")
            live.update(sheet, refresh=True)
            sleep(WATCH_SECONDS)
            stack = find(account, stack.name)
