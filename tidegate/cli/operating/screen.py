"""What these commands share: labelled lines, times and numbers for people, JSON for programs."""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from tidegate.aws.account import Account
from tidegate.aws.errors import AwsError
from tidegate.aws.stack import DeployedStack, find
from worker.errors import SettingsError
from worker.job import S3Uri

SCHEMA_VERSION = 1
LABEL = 10  # columns
UNITS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled line of Rich's markup."""

    label: str
    markup: str
    whole: bool

    @property
    def text(self) -> Text:
        """Return the line as it is where nothing wraps it."""
        text = Text.from_markup(f"[cyan]{self.label:<{LABEL}}[/] {self.markup}".rstrip())
        text.no_wrap, text.overflow = True, "ignore"
        return text


@dataclass(slots=True)
class Sheet:
    """Labelled lines: they wrap on a terminal, and are whole lines in a pipe.

    What people copy, commands and names, is left whole where it is too long for the terminal. The
    terminal itself then wraps the line, and gives it back in one piece.
    """

    rows: list[Row] = field(default_factory=list)

    def add(self, label: str, markup: str, *, whole: bool = False) -> None:
        """Add a line of Rich's markup."""
        self.rows.append(Row(label, markup, whole))

    def add_next(self, steps: Iterable[tuple[str, str]]) -> None:
        """Add commands, each with its reason as a comment, so that a line can be pasted whole."""
        label = "next"
        for command, why in steps:
            self.add(label, f"[bold]{plain(command)}[/]  [dim]# {escape(why)}[/]", whole=True)
            label = ""

    def add_unknown(self, reasons: Iterable[str]) -> None:
        """Add what could not be asked."""
        for reason in reasons:
            self.add("unknown", f"[yellow]{plain(reason)}[/]")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for row in self.rows:
            is_whole = row.whole and not console.is_alt_screen
            fits = row.text.cell_len <= options.max_width
            yield row.text if is_whole or fits or not console.is_terminal else _folded(row)


def _folded(row: Row) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=LABEL, style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(row.label, row.markup)
    return grid


def out() -> Console:
    """Return the console for data."""
    return Console(highlight=False)


def err() -> Console:
    """Return the console for everything else."""
    return Console(stderr=True, highlight=False)


def show(console: Console, sheet: Sheet) -> None:
    """Print a sheet; where there is no terminal, no line is cut or wrapped."""
    console.print(sheet, soft_wrap=not console.is_terminal, crop=False)


def line(console: Console, markup: str) -> None:
    """Print one line; the terminal wraps it."""
    console.print(markup, soft_wrap=True)


def opened(name: str | None, *, show_commands: bool) -> tuple[Account, DeployedStack]:
    """Return the caller's account, and the stack in it; raises AwsError if it is not whole."""
    errors = err()

    def show_call(call: str) -> None:
        errors.print(f"[dim]$ {escape(call)}[/]", soft_wrap=True)

    account = Account(show_call if show_commands else None)
    stack = find(account, name)
    if "QueueUrl" not in stack.outputs:
        raise AwsError(
            f"the stack {stack.name} is in the state {stack.status} and has no queue: "
            "`tidegate doctor`"
        )
    return account, stack


def print_json(facts: Mapping[str, Any], *, indent: int | None = 2) -> None:
    """Print one JSON object with the version of its schema."""
    found = {"schema_version": SCHEMA_VERSION, **facts}
    sys.stdout.write(json.dumps(found, indent=indent, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, S3Uri):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    return str(value)


def took(seconds: float) -> str:
    """Return a duration in its largest unit: `3 min`."""
    duration = timedelta(seconds=max(0, seconds))
    name, unit = next(((name, unit) for name, unit in UNITS if duration >= unit), UNITS[-1])
    return f"{duration // unit} {name}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """Return how long ago a moment was: `3 min ago`."""
    return f"{took(((now or datetime.now(UTC)) - moment).total_seconds())} ago"


def count(number: int | None, noun: str, *, more: bool = False) -> str:
    """Return a number with its noun in the singular or plural: `1 file`, `2,000+ files`."""
    if number is None:
        return f"unknown {noun}s"
    plus = "+" if more else ""
    return f"{number:,}{plus} {noun}" + ("" if number == 1 and not more else "s")


def plain(text: object) -> str:
    """Return other people's text as markup of one line, without power over the terminal."""
    return escape("".join(map(_shown, str(text))))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else repr(character)[1:-1]


def confirm(question: str, *, yes: bool, command: str) -> bool:
    """Ask on the terminal; without one, `--yes` is needed, and SettingsError says so."""
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise SettingsError(f"there is no terminal to ask on: `{command} --yes`")
    return click.confirm(question, err=True)


def progress(what: str, total: int) -> tuple[Any, Callable[[int], None]]:
    """Return a spinner's context, which counts on a terminal, and the function that counts."""
    status = err().status(f"[dim]{escape(what)}[/]")

    def through(number: int) -> None:
        status.update(f"[dim]{escape(what)}: {number:,} of {total:,}[/]")

    return status, through
