"""What the demo shows: a table of its files that fills as results arrive, and a summary.

On a terminal the table is redrawn in place. Elsewhere each result is one plain line, and the full
table follows at the end.
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

from tidegate.cli.display import Display


@dataclass(slots=True)
class FileRow:
    """One input file's row of the table."""

    key: str
    uploaded: float | None = None  # on the monotonic clock
    seconds: float | None = None  # from the upload until the result was seen
    rows: int | None = None
    first_prediction: float | None = None
    failure: str | None = None


class DemoDisplay(Display):
    """Adds the table of files and the summary to a command's display."""

    @contextmanager
    def files(self, rows: Sequence[FileRow]) -> Iterator[None]:
        """Show the table while it fills; the full table stays on the screen."""
        self.current_step = "the files' predictions"
        if self._console.is_terminal:
            with Live(FileTable(rows), console=self._console, refresh_per_second=10):
                yield
        else:
            yield
            self._console.print(FileTable(rows))

    def result(self, row: FileRow) -> None:
        """Print that a file's output or failure report has arrived, unless the table shows it."""
        if not self._console.is_terminal:
            outcome = "dead-lettered" if row.failure else f"{row.rows} rows predicted"
            self.line(f"  {row.seconds:5.1f} s  {escape(row.key)}: {outcome}")

    def failure(self, row: FileRow) -> None:
        """Print why a file could not be predicted."""
        reason = f"[red]✗[/] {escape(row.key)}: {escape(row.failure or '')}"
        self._console.print(Padding(reason, (0, 2, 1, 2)))

    def route(self, parts: Sequence[tuple[str, str]]) -> None:
        """Print each part of the system that the files passed through, with its real name."""
        self.line()
        for number, (part, name) in enumerate(parts):
            arrow = "→" if number else " "
            self.line(f"  [dim]{arrow}[/] [cyan]{part:<12}[/][dim]{escape(name)}[/]")

    def end(self, seconds: float, folder: Path) -> None:
        """Print that everything succeeded, and where the outputs are."""
        self.line(f"\n  [bold]{seconds:.0f} s[/] in all. Outputs and logs are in {folder}/\n")


@dataclass(frozen=True, slots=True)
class FileTable:
    """The table of files, drawn from the rows' present values each time Rich renders it."""

    rows: Sequence[FileRow]
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

    def _result(self, row: FileRow) -> Sequence[str | Spinner]:
        if row.uploaded is None:
            return ()
        if row.seconds is None:
            return "", self.spinner, f"[dim]{time.monotonic() - row.uploaded:.1f}[/]"
        seconds = f"{row.seconds:.1f}"
        if row.failure is not None:
            return "", "[red]dead-lettered[/]", seconds
        return str(row.rows), f"{row.first_prediction:.6f}", seconds
