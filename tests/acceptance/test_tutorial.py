"""docs/tutorial.md: its commands are run in order by its text alone, and print what it shows."""

import asyncio
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.pages import LEFT_OUT, commands_of, missing_lines
from tests.support.template import ROOT
from tests.support.terminal import Ran, Terminal
from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.cloud import Cloud

PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SAVED = re.compile(r"Save this as `(\S+?)`.*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FINDS_A_BAD_ROW = {  # so its exit status is 3
    "tidegate check model.pkl broken.csv",
    "tidegate predict model.pkl broken.csv out.csv --set MAX_REJECTED=0.2",
    "tidegate show broken.csv --stack tidegate",
}


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
    """A terminal in a checkout, with the files that the page says to save, and no cloud yet."""
    typed = Terminal.at(tmp_path, Cloud("http://127.0.0.1:9", 0, tmp_path))
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "examples", typed.folder / "examples", ignore=leave_out)
    typed.environment["TIDEGATE_CLOUD_ENV"] = str(ROOT / ".venv-cloud")
    blocks = re.findall(
        r"Save this as `(\S+?)`.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )
    assert blocks
    for name, text in blocks:
        (typed.folder / name).write_text(text)
    with TemporaryDirectory(prefix="tutorial-") as short:  # a worker has sockets in it
        typed.environment["TMPDIR"] = short
        yield typed


async def test_the_commands_of_the_tutorial_print_what_it_shows(
    terminal: Terminal, screen: Screen, commands: WarmCommands
) -> None:
    for command, expected in commands_of(PAGE):
        shown = [line.strip() for line in expected if line != LEFT_OUT]
        if command.startswith("tidegate cloud"):
            screen.start(command, terminal)
            paste_exports(screen.until(shown), terminal)
            continue
        ran = await type_in(terminal, command, commands)
        assert ran.status == (3 if command in FINDS_A_BAD_ROW else 0), ran.printed
        lines = [line.strip() for line in ran.printed.splitlines()]
        assert missing_lines(shown, lines) == [], f"{command}\n{ran.printed}"


async def type_in(terminal: Terminal, command: str, commands: WarmCommands) -> Ran:
    """Run a command to its end; one of Tidegate runs in a cheaper fork."""
    name, *arguments = command.split()
    if name != "tidegate":
        return await terminal.run(command)
    ran = await asyncio.to_thread(commands.run, arguments, terminal.folder, terminal.environment)
    return Ran(ran.returncode, (ran.stdout + ran.stderr).decode())


def paste_exports(printed: list[str], terminal: Terminal) -> None:
    """Do what the page says: paste the lines that make a terminal use the local cloud."""
    exports = dict(re.findall(r"^export (\w+)=(.*)$", "\n".join(printed), re.MULTILINE))
    assert "AWS_ENDPOINT_URL" in exports
    terminal.environment.update(exports)
