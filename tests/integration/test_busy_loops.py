"""The busy loops beside `make test-under-load`: no loop outlives the run, however the run ends."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import processes_below
from tests.support.scenario import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

UNTIL_STDIN_IS_CLOSED = "print('started', flush=True); import sys; sys.stdin.read()"


@contextmanager
def beside_two_loops(folder: Path, code: str) -> Iterator[subprocess.Popen[str]]:
    """Run Python code beside two loops. Every process has the folder in its environment."""
    with subprocess.Popen(  # noqa: S603 - our own code
        [sys.executable, "-m", "tests.support.busy_loops", "2", sys.executable, "-c", code],
        cwd=ROOT,
        env={"TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def loops(folder: Path) -> list[str]:
    return [process for process in processes_below(folder) if "os.getppid" in process]


def test_the_exit_status_is_that_of_the_command(tmp_path: Path) -> None:
    with beside_two_loops(tmp_path, "raise SystemExit(3)") as process:
        assert process.wait() == 3
    assert processes_below(tmp_path) == []


def test_sigterm_ends_the_command_and_the_loops(tmp_path: Path) -> None:
    with beside_two_loops(tmp_path, UNTIL_STDIN_IS_CLOSED) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        eventually(lambda: len(loops(tmp_path)) == 2)
        process.terminate()
        assert process.wait() != 0
    assert processes_below(tmp_path) == []


def test_loops_whose_parent_is_killed_end_by_themselves(tmp_path: Path) -> None:
    with beside_two_loops(tmp_path, UNTIL_STDIN_IS_CLOSED) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        eventually(lambda: len(loops(tmp_path)) == 2)
        process.kill()
        process.wait()
    eventually(lambda: not processes_below(tmp_path))
