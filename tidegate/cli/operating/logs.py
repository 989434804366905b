"""The command `tidegate logs`: the lines of workers and dispatcher, readable, and followed."""

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console

from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.cli.operating.screen import err, line, opened, out, plain
from tidegate.operating import queues, tasks
from tidegate.operating.log_lines import OVERLAP, Line, LogReader, groups_of
from tidegate.operating.run_records import Target
from tidegate.operating.story import source_of
from tidegate.runs.record import Records

POLL_SECONDS = 3
LAST_POLLS = 3  # after the end: lines are in CloudWatch some seconds after they were written
FIRST_POLLS = 10  # before the beginning: a file that has just landed has no message yet
COLOURS = {"error": "red", "warning": "yellow", "debug": "dim"}


def logs(
    name: str | None,
    file: str | None,
    *,
    follow: bool,
    since: timedelta,
    as_json: bool,
    show_commands: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Print the lines, and follow until the workers are gone and the queue is empty."""
    account, stack = opened(name, show_commands=show_commands)
    reader = LogReader(
        account.client("logs"),
        groups_of(stack.outputs),
        source_of(stack, file, _targets(account, stack, file)) if file else None,
    )
    console = out()
    moment = datetime.now(UTC) - since
    printed = _print(console, reader.new_since(moment), as_json=as_json)
    polls_left = FIRST_POLLS
    while follow and polls_left:
        over = _is_over(account, stack)
        sleep(POLL_SECONDS)
        moment = max(moment, datetime.now(UTC) - OVERLAP)
        printed += _print(console, reader.new_since(moment), as_json=as_json)
        polls_left = polls_left - 1 if over else LAST_POLLS
    if reader.cut:
        line(err(), "[yellow]not all lines were read[/]: a shorter `--since`, or the file's key")
    if follow:
        line(err(), "[dim]no worker runs, and the queue is empty[/]: `tidegate status`")
    elif not printed:
        what = "about this file" if file else "in this time"
        hint = f"`tidegate show {shlex.quote(file)}`" if file else "`tidegate logs --since 1d`"
        line(err(), f"[dim]no line {what}[/]: {plain(hint)}")
    return 0


def _targets(account: Account, stack: DeployedStack, file: str) -> list[Target]:
    """Return the places of runs, which only the address of an output is in."""
    is_output = file.startswith(f"s3://{stack.outputs['OutputBucket']}/")
    return Records.of_stack(account.client("s3"), stack).elsewhere() if is_output else []


def _is_over(account: Account, stack: DeployedStack) -> bool:
    """Return whether nothing more will come: a worker that stops still writes."""
    out = stack.outputs
    ecs, family = account.client("ecs"), tasks.family_of(out["TaskDefinition"])
    if tasks.listed(ecs, out["Cluster"], family, tasks.LIVE):
        return False
    return not queues.count(account.client("sqs"), out["QueueUrl"]).all


def _print(console: Console, lines: Sequence[Line], *, as_json: bool) -> int:
    shown = [one for one in lines if as_json or one.is_shown]
    for one in shown:
        if as_json:
            sys.stdout.write(one.text + "\n")
        else:
            line(console, markup_of(one))
    sys.stdout.flush()
    return len(shown)


def markup_of(one: Line) -> str:
    """Return a line for people: time, event, file, reason."""
    colour = COLOURS.get(one.level, "green" if one.event == "job done" else "default")
    time_text = one.time.astimezone().strftime("%H:%M:%S")
    parts = [
        f"[dim]{time_text} {one.writer:<10}[/]",
        f"[{colour}]{plain(one.event)}[/]",
        f"[bold]{plain(one.file)}[/]" if one.file else "",
        plain(one.facts),
    ]
    return "  ".join(filter(None, parts))
