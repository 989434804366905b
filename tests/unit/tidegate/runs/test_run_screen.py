"""What is shown while a run goes on, on terminals of any width and where there is none."""

import io
import re

import pytest
from rich.console import Console

from tidegate.cli.runs.run_screen import RunScreen
from tidegate.runs.following import Progress

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Clock:
    """A clock that stands still unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_there_is_a_line_now_and_then() -> None:
    written, clock = io.StringIO(), Clock()
    with RunScreen(Console(file=written), clock) as screen:
        for second, done in ((0, 0), (5, 10), (10, 20), (21, 20), (32, 42)):
            clock.now = second
            screen.show(Progress(100, done, failed=done // 20))
        screen.show_failure("a\x1b b.csv", "Unparsable", "no table")
        screen.show_failure("a\x1b b.csv", "Unparsable", "no table")
    assert written.getvalue().splitlines() == [
        "0 of 100 files",
        "21 of 100 files, 1 failed, 2.1/s, 37 s left",
        "21 of 100 files, 1 failed, 1.0/s, 1 min left",
        "44 of 100 files, 2 failed, 1.4/s, 40 s left",
        "✗ a\\x1b b.csv: Unparsable no table",
    ]


@pytest.mark.parametrize("width", [40, 80])
def test_a_bar_fits_its_terminal(width: int) -> None:
    written, clock = io.StringIO(), Clock()
    console = Console(file=written, force_terminal=True, width=width, color_system=None)
    with RunScreen(console, clock) as screen:
        screen.show(Progress(1_000_000, 0))
        clock.now = 10
        screen.show(Progress(1_000_000, 499_990, 10))
        assert screen._bar is not None
        screen._bar.refresh()
    lines = [ESCAPES.sub("", line) for line in re.split(r"[\r\n]", written.getvalue())]
    assert any("500,000/1,000,000 10 ✗ 50000/s" in line for line in lines)
    assert max(map(len, lines)) <= width
