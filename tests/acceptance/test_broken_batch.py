"""docs/broken-batch.md: its commands bring a broken batch to all good, and print what it shows."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import commands_of, different_lines, rewritten
from tests.support.template import ROOT
from tests.support.terminal import Terminal
from tests.support.threads import entered_in_thread
from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.stack_client import OUTPUT_PREFIX
from tidegate.localcloud.system import System, local_system

PAGE = ROOT / "docs" / "broken-batch.md"
BATCH = Path("examples", "broken_batch")


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
        printed = (await terminal.type(command, commands)).printed.splitlines()
        screens.append(printed)
        if not writes:
            assert different_lines(expected, printed) == [], "\n".join([command, *printed])
    if writes:
        PAGE.write_text(rewritten(page, screens), encoding="utf-8")
