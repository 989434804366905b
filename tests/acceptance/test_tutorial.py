"""Pages that start a local cloud: their commands are run in order by their text alone."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.pages import LEFT_OUT, blocks_of, check_screen, missing_lines, save_files
from tests.support.template import ROOT
from tests.support.terminal import Terminal
from tests.support.warm_commands import WarmCommands

PAGES = ("tutorial.md", "own-predictor.md")


class Screen:
    """A terminal in which a command goes on while other commands are typed elsewhere."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def start(self, command: str, terminal: Terminal) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the page's own command
            shlex.split(command),
            cwd=terminal.folder,
            env=terminal.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, shown: list[str]) -> list[str]:
        """Return the lines up to the last of those that the page shows."""
        assert self._process is not None
        assert self._process.stdout is not None
        printed = list[str]()
        for line in self._process.stdout:
            printed.append(line.strip())
            if not missing_lines(shown, printed):
                return printed
            assert " of tidegate: exit code " not in line, "\n".join(printed)
        raise AssertionError("\n".join(printed))

    def close(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()


@pytest.fixture
def screen() -> Iterator[Screen]:
    opened = Screen()
    yield opened
    opened.close()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in a checkout, and no cloud yet."""
    typed = Terminal.offline(tmp_path)
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "examples", typed.folder / "examples", ignore=leave_out)
    typed.environment["TIDEGATE_CLOUD_ENV"] = str(ROOT / ".venv-cloud")
    with TemporaryDirectory(prefix="page-") as short:  # a worker has sockets in it
        typed.environment["TMPDIR"] = short
        yield typed


@pytest.mark.parametrize("name", PAGES)
async def test_the_commands_print_what_the_page_shows(
    name: str, terminal: Terminal, screen: Screen, commands: WarmCommands
) -> None:
    page = (ROOT / "docs" / name).read_text("utf-8")
    save_files(page, terminal.folder)
    for block in blocks_of(page):
        for command, expected in block.commands if block.is_run else ():
            shown = [line.strip() for line in expected if line != LEFT_OUT]
            if command.startswith("tidegate cloud"):
                screen.start(command, terminal)
                paste_exports(screen.until(shown), terminal)
                continue
            ran = await terminal.type(command, commands)
            check_screen(block, command, ran.status, ran.printed)


def paste_exports(printed: list[str], terminal: Terminal) -> None:
    """Do what the page says: paste the lines that make a terminal use the local cloud."""
    exports = dict(re.findall(r"^export (\w+)=(.*)$", "\n".join(printed), re.MULTILINE))
    assert "AWS_ENDPOINT_URL" in exports
    terminal.environment.update(exports)
