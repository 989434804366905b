"""The files of a running stack, as they land, are predicted or fail: a table, or lines."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from tidegate.localcloud.stack_client import FileState

SHOWN_FILES = 20  # the latest ones
WIDE = 70  # columns from which on rows and seconds have their place


@dataclass(slots=True)
class LiveFiles:
    """What became of each file; drawn anew at each change on a terminal, else printed as lines."""

    console: Console
    _files: dict[str, FileState] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    _landed: dict[str, float] = field(default_factory=dict)  # on the monotonic clock
    _seconds: dict[str, float] = field(default_factory=dict)

    def update(self, found: Mapping[str, FileState]) -> None:
        """Take in the present states."""
        for key, state in found.items():
            before = self._files.get(key)
            if state == before:
                continue
            self._files.pop(key, None)  # the latest change is shown last
            self._files[key] = state
            if state.status == "waiting":
                self._landed[key] = time.monotonic()
                self._seconds.pop(key, None)
                continue
            landed = self._landed.get(key)
            if landed is not None:
                self._seconds[key] = time.monotonic() - landed
            if not self.console.is_terminal:
                self.console.print(f"  {self._line(key, state)}", soft_wrap=True)

    def tell(self, trouble: str) -> None:
        """Print, once, a line about what is no file's result: a task that has failed, say."""
        if trouble not in self._told:
            self._told.add(trouble)
            self.console.print(f"  [red]✗[/] {escape(trouble)}", soft_wrap=True)

    def note(self, news: str) -> None:
        """Print a line that is neither a file's result nor trouble."""
        self.console.print(f"  [cyan]•[/] {escape(news)}", soft_wrap=True)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table while the block runs; where there is no terminal, lines are printed."""
        if not self.console.is_terminal:
            yield
            return
        with Live(self, console=self.console, refresh_per_second=4):
            yield

    def _line(self, key: str, state: FileState) -> str:
        name = escape(key)
        if state.status == "failed":
            return f"[red]✗[/] {name}: {escape(state.failure or '')}"
        # A large output went up in parts, which tell no counts.
        rows = f"{state.rows} rows" if state.rows is not None else "predicted"
        rejected = f", {state.rejected} rejected" if state.rejected else ""
        return f"[green]✓[/] {name}: {rows}{rejected} → {escape(state.output or '')}"

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._files:
            yield "\n  [dim]no file has landed yet[/]"
            return
        table = Table(box=None, header_style="bold cyan", padding=(0, 1))
        table.add_column("file", no_wrap=True)
        is_wide = options.max_width >= WIDE
        if is_wide:
            table.add_column("rows", justify="right")
            table.add_column("seconds", justify="right")
        table.add_column("output, or why there is none", overflow="fold")
        for key, state in list(self._files.items())[-SHOWN_FILES:]:
            name = escape(_end_of(key, options.max_width // 3))
            counts = self._counts(key, state) if is_wide else ()
            table.add_row(name, *counts, _result(state))
        yield ""
        yield table

    def _counts(self, key: str, state: FileState) -> tuple[str, str]:
        if state.status == "waiting":
            return "", f"[dim]{time.monotonic() - self._landed[key]:.0f}[/]"
        seconds = f"{self._seconds[key]:.1f}" if key in self._seconds else ""
        return "" if state.rows is None else str(state.rows), seconds


def _result(state: FileState) -> str:
    if state.status == "waiting":
        return "[dim]waiting[/]"
    if state.status == "failed":
        return f"[red]{escape(state.failure or '')}[/]"
    rejected = f" [yellow]({state.rejected} rejected)[/]" if state.rejected else ""
    return f"[green]{escape(state.output or '')}[/]{rejected}"


def _end_of(name: str, most: int) -> str:
    """Shorten a long name: its end tells more than the folders at its beginning."""
    return name if len(name) <= most else f"…{name[1 - most :]}"
