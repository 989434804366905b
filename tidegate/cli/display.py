"""What a command prints while it works: a title, steps with their seconds, and small notes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape


class Display:
    """Prints to standard output: with colour and a spinner on a terminal, else as plain lines."""

    def __init__(self) -> None:
        self.current_step = "starting"
        self._console = Console(highlight=False)

    def line(self, markup: str = "") -> None:
        """Print one line of Rich's markup."""
        self._console.print(markup, soft_wrap=True)

    def title(self) -> None:
        """Print the project's name and the way of a file through the system."""
        self.line("\n[bold cyan]Tidegate[/]  batch predictions on AWS that cost nothing while idle")
        self.line("[dim]bucket → dispatcher → queue → worker → bucket[/]\n")

    def emulator_note(self) -> None:
        """Name the module that adapts the template's roles to the emulator."""
        self.line(
            "    [dim]roles translated for the emulator:"
            " see tidegate/localcloud/iam_translation.py[/]"
        )

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step while it runs, and print its seconds once it has succeeded."""
        self.current_step = name
        began = time.monotonic()
        with self._console.status(f"[dim]{escape(name)}[/]", spinner_style="cyan"):
            yield
        self.done(name, time.monotonic() - began)

    def done(self, name: str, seconds: float | None = None) -> None:
        """Print a step that has succeeded, with its seconds where they are known."""
        took = f"  [dim]{seconds:.1f} s[/]" if seconds is not None else ""
        self.line(f"  [green]✓[/] {escape(name)}{took}")
