"""docs/broken-batch.md: its commands bring a broken batch to all good, and print what it shows."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import LEFT_OUT, commands_of, missing_lines, rewritten
from tests.support.template import ROOT
from tests.support.terminal import Terminal
from tests.support.threads import entered_in_thread
from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.stack_client import OUTPUT_PREFIX
from tidegate.localcloud.system import System, local_system

PAGE = ROOT / "docs" / "broken-batch.md"
BATCH = Path("examples", "broken_batch")
NEEDS_SHELL = re.compile("[;>|]")
# What differs from one time to another: how long ago, which file and which group failed last, names
# of runs and workers.
DIFFERS = (
    (r"(?:just now|\d+ (?:s|min|h) ago)(?:, first (?:just now|\d+ (?:s|min|h) ago))?", "T ago"),
    (r"/\d{3}\.\w*", "/NUMBER"),
    (r"^((?:next)? +tidegate \w+) \w+-[0-9a-f]{4}\b", r"\1 GROUP"),
    (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "RUN"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b", "VERSION"),
    (r"^worker +task \S+,", "worker task ID,"),
    (r"\bat byte \d+", "at byte N"),
    (r"^took +.*", "took"),
    (r"^\d\d:\d\d:\d\d", "TIME"),
)


@pytest.fixture
def own_system(system: System) -> Iterator[System]:
    """A cloud of the test's own: on the other one files of other tests have failed."""
    parameters = {"IdleSeconds": "3", "MaxTasks": "2", "OutputKey": OUTPUT_PREFIX}
    parameters["MessagesPerTask"] = "1000"  # one worker at once: each start takes seconds
    with entered_in_thread(local_system(parameters, model=system.model)) as own:
        yield own


@pytest.fixture
def terminal(tmp_path: Path, own_system: System) -> Terminal:
    """A terminal in a checkout with the script that writes the batch."""
    typed = Terminal.at(tmp_path, own_system.cloud)
    shutil.copytree(ROOT / BATCH, typed.folder / BATCH)
    return typed


async def test_a_stranger_brings_a_broken_batch_to_all_good(
    terminal: Terminal, commands: WarmCommands, request: pytest.FixtureRequest
) -> None:
    """With `--write-pages`, the page gets what was printed instead of being compared."""
    page = PAGE.read_text(encoding="utf-8")
    writes = request.config.getoption("--write-pages")
    screens = []
    for command, expected in commands_of(page):
        printed = await typed(command, terminal, commands)
        screens.append(printed)
        if not writes:
            assert different_lines(expected, printed) == [], "\n".join([command, *printed])
    if writes:
        PAGE.write_text(rewritten(page, screens), encoding="utf-8")


async def typed(command: str, terminal: Terminal, commands: WarmCommands) -> list[str]:
    """Return the lines that a command prints; one that needs no shell runs in a cheaper fork."""
    name, *arguments = command.split()
    if name != "tidegate" or NEEDS_SHELL.search(command):
        return (await terminal.run(command)).printed.splitlines()
    ran = await asyncio.to_thread(commands.run, arguments, terminal.folder, terminal.environment)
    return [*ran.stdout.decode().splitlines(), *ran.stderr.decode().splitlines()]


def different_lines(expected: list[str], printed: list[str]) -> list[str]:
    """Return the lines of the page that were not printed, or those printed beside the page's."""
    shown, came = ([masked(line) for line in lines] for lines in (expected, printed))
    if LEFT_OUT in shown:
        return missing_lines([line for line in shown if line != LEFT_OUT], came)
    return missing_lines(shown, came) or came[len(shown) :]


def masked(line: str) -> str:
    for differs, instead in DIFFERS:
        line = re.sub(differs, instead, line)
    return line.rstrip()
