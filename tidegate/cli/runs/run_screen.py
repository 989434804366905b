"""What is shown while a run goes on: how far it is, and the failures as they come."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tidegate.cli.operating.screen import count, line, plain, took
from tidegate.runs.following import SHOWN_FAILURES, Progress

LINE_SECONDS = 10.0  # between two lines where there is no terminal


@dataclass(slots=True)
class RunScreen:
    """A bar on a terminal, else a line now and then; failures as they come."""

    console: Console
    clock: Callable[[], float]
    failures: set[str] = field(default_factory=set)
    _bar: Bar | None = None
    _first: tuple[float, int] | None = None
    _line_at: float | None = None
    _shown: str = ""

    def __enter__(self) -> Self:
        """Show the bar."""
        if self.console.is_terminal:
            self._bar = Bar(
                BarColumn(bar_width=None),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} {task.description}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
                transient=True,
                expand=True,
            )
            self._bar.add_task("", visible=False)  # nothing is known before the first look
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def show(self, found: Progress) -> None:
        """Show how far the run is, how fast it goes, and when it will end."""
        done = found.predicted + found.failed
        if self._bar is not None:
            rate = f"{self._rate(done):.0f}/s" if self._rate(done) else ""
            failed = f"[red]{found.failed} ✗[/] " if found.failed else ""
            (task,) = self._bar.task_ids
            self._bar.update(
                task,
                completed=done,
                total=found.files,
                description=f"{failed}{rate}",
                visible=True,
            )
            return
        now = self.clock()
        text = self._text(found, done)
        if text != self._shown and (self._line_at is None or now - self._line_at >= LINE_SECONDS):
            line(self.console, text)
            self._line_at, self._shown = now, text

    def _text(self, found: Progress, done: int) -> str:
        text = f"{done:,} of {count(found.files, 'file')}"
        text += f", {found.failed:,} failed" if found.failed else ""
        rate = self._rate(done)
        return text + (f", {rate:.1f}/s, {took((found.files - done) / rate)} left" if rate else "")

    def _rate(self, done: int) -> float:
        if self._first is None:
            self._first = self.clock(), done
        seconds = self.clock() - self._first[0]
        return (done - self._first[1]) / seconds if seconds > 0 else 0.0

    def show_failure(self, key: str, error_type: str, message: str) -> None:
        """Print a file that failed, once, and no more than the first ones."""
        if key in self.failures or len(self.failures) >= SHOWN_FAILURES:
            return
        self.failures.add(key)
        console = self.console if self._bar is None else self._bar.console
        line(console, f"[red]✗[/] {plain(key)}: [bold]{plain(error_type)}[/] {plain(message)}")
