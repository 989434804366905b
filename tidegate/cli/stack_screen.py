"""What `deploy`, `push` and `destroy` print on standard error while they work."""

import sys
from collections.abc import Sequence
from typing import Self

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tidegate.deploy.screen import Change, Declined, Event

ROOMY = 60  # columns of a terminal that has room for the types of resources
_WORDS = {"delete skipped": "kept"}
_COLOURS = {"Add": "green", "Modify": "yellow", "Remove": "red"}
_REPLACEMENTS = {"yes": "[bold red]yes[/]", "maybe": "[red]maybe[/]", "no": ""}


class StackScreen:
    """Prints to standard error: with colour on a terminal, else as plain lines."""

    def __init__(self, *, yes: bool = False, console: Console | None = None) -> None:
        self._yes = yes
        self._console = console or Console(stderr=True, highlight=False)
        self._status = self._console.status("")

    def __enter__(self) -> Self:
        """Return the screen."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop what moves on the screen."""
        self._status.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(escape(text), soft_wrap=True)

    def succeed(self, text: str) -> None:
        """Print what has gone well."""
        self._console.print(f"[green]✓[/] {escape(text)}", soft_wrap=True)

    def fail(self, text: str) -> None:
        """Print what has gone wrong."""
        self._console.print(f"[red]✗[/] {escape(text)}", soft_wrap=True)

    def quote(self, text: str) -> None:
        """Print the lines of a file."""
        for line in text.splitlines():
            self._console.print(f"  {escape(line)}", soft_wrap=True)

    def show_command(self, command: str) -> None:
        """Print a command that could be typed."""
        self._console.print(f"[dim]$ {escape(command)}[/]", soft_wrap=True)

    def show_changes(self, changes: Sequence[Change]) -> None:
        """Print a table of what would change."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        has_room = self._console.width >= ROOMY
        for column in ("change", "resource", *(("type",) if has_room else ()), "replaced"):
            table.add_column(column, overflow="fold")
        for change in changes:
            colour = _COLOURS.get(change.action, "default")
            kind = escape(change.type.removeprefix("AWS::"))
            table.add_row(
                f"[{colour}]{change.action.lower()}[/]",
                escape(change.resource),
                *((kind,) if has_room else ()),
                _REPLACEMENTS[change.replacement],
            )
        self._console.print(table)

    def show_event(self, event: Event) -> None:
        """Print what CloudFormation did with one resource; its beginnings on a terminal only."""
        status = event.status.lower().replace("_", " ")
        words = f"{event.resource}: {_WORDS.get(status, status)}"
        if event.failed:
            self._console.print(
                f"  [red]✗[/] {escape(words)}: {escape(event.reason)}", soft_wrap=True
            )
        elif event.status.endswith("_IN_PROGRESS"):
            self.show_wait(words)
        else:
            self._console.print(f"  [green]✓[/] {escape(words)}", soft_wrap=True)

    def show_wait(self, text: str) -> None:
        """Show what is waited for, on a terminal; nothing if the text is empty."""
        if not self._console.is_terminal:
            return
        if text:
            self._status.update(f"[dim]{escape(text)}[/]")
            self._status.start()
        else:
            self._status.stop()

    def ask(self, question: str, otherwise: str) -> None:
        """Ask for a yes, which --yes gives in advance; raises Declined."""
        self.show_wait("")
        if self._yes:
            return
        if not sys.stdin.isatty():
            raise Declined(
                f"{question} Nobody can be asked here: --yes answers in advance; {otherwise}"
            )
        if not click.confirm(question, err=True):
            raise Declined(otherwise)
