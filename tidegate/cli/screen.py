"""What the demo shows: steps with their seconds, and a table that fills as the files come back.

On a terminal it moves; elsewhere the same facts are plain lines.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markup import escape
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table


@dataclass(slots=True)
class Row:
    """One input file as the screen knows it."""

    key: str
    uploaded: float | None = None  # on the monotonic clock
    seconds: float | None = None
    rows: int | None = None
    first: float | None = None
    failure: str | None = None


class Screen:
    """Writes to the terminal, or to whatever stdout is."""

    def __init__(self) -> None:
        self.under_way = "starting"
        self._console = Console(highlight=False)

    def say(self, markup: str = "") -> None:
        """Write one line."""
        self._console.print(markup, soft_wrap=True)

    def title(self) -> None:
        """Say what this is."""
        self.say("\n[bold cyan]Tidegate[/]  batch predictions on AWS that cost nothing while idle")
        self.say("[dim]bucket → dispatcher → queue → worker → bucket[/]\n")

    def note(self, text: str) -> None:
        """Write one line of small print."""
        self.say(f"    [dim]{escape(text)}[/]")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show a step while it runs, and its seconds when it has succeeded."""
        self.under_way = name
        began = time.monotonic()
        with self._console.status(f"[dim]{escape(name)}[/]", spinner_style="cyan"):
            yield
        self.done(name, time.monotonic() - began)

    def done(self, name: str, seconds: float | None = None) -> None:
        """Write what has succeeded, and the seconds it took."""
        took = f"  [dim]{seconds:.1f} s[/]" if seconds is not None else ""
        self.say(f"  [green]✓[/] {escape(name)}{took}")

    @contextmanager
    def files(self, rows: Sequence[Row]) -> Iterator[None]:
        """Show the table while it fills; it stays on the screen when it is full."""
        self.under_way = "the files' predictions"
        if self._console.is_terminal:
            with Live(Files(rows), console=self._console, refresh_per_second=10):
                yield
        else:
            yield
            self._console.print(Files(rows))

    def came_back(self, row: Row) -> None:
        """Say that a file's output or failure report is there, where no table moves."""
        if not self._console.is_terminal:
            outcome = "dead-lettered" if row.failure else f"{row.rows} rows predicted"
            self.say(f"  {row.seconds:5.1f} s  {escape(row.key)}: {outcome}")

    def fault(self, row: Row) -> None:
        """Say why a file could not be predicted."""
        reason = f"[red]✗[/] {escape(row.key)}: {escape(row.failure or '')}"
        self._console.print(Padding(reason, (0, 2, 1, 2)))

    def road(self, parts: Sequence[tuple[str, str]]) -> None:
        """Say what each part was that the files came through."""
        self.say()
        for number, (part, what) in enumerate(parts):
            arrow = "→" if number else " "
            self.say(f"  [dim]{arrow}[/] [cyan]{part:<12}[/][dim]{escape(what)}[/]")

    def end(self, seconds: float, folder: Path) -> None:
        """Say that all went well, and where to look."""
        self.say(f"\n  [bold]{seconds:.0f} s[/] in all. Outputs and logs are in {folder}/\n")


@dataclass(frozen=True, slots=True)
class Files:
    """The table, drawn from the rows as they are each time it is shown."""

    rows: Sequence[Row]
    spinner: Spinner = field(default_factory=lambda: Spinner("dots", style="cyan"))

    def __rich_console__(self, _console: Console, _options: ConsoleOptions) -> RenderResult:
        table = Table(box=SIMPLE_HEAD, header_style="bold cyan")
        table.add_column("input", no_wrap=True, min_width=28)
        table.add_column("rows", justify="right", min_width=4)
        table.add_column("first prediction", justify="right")
        table.add_column("seconds", justify="right")
        for row in self.rows:
            table.add_row(escape(row.key), *self._result(row))
        yield table

    def _result(self, row: Row) -> Sequence[str | Spinner]:
        if row.uploaded is None:
            return ()
        if row.seconds is None:
            return "", self.spinner, f"[dim]{time.monotonic() - row.uploaded:.1f}[/]"
        seconds = f"{row.seconds:.1f}"
        if row.failure is not None:
            return "", "[red]dead-lettered[/]", seconds
        return str(row.rows), f"{row.first:.6f}", seconds
