"""The commands of docs/libraries.md: those without a cloud are run, the others are read."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import click
import pytest

from examples.lightgbm.train import write
from tests.support.template import ROOT
from tidegate.cli.main import cli, main

BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = [
    line
    for page in ("docs/libraries.md", "docs/image.md", "examples/rfm/README.md")
    for block in BLOCK.findall((ROOT / page).read_text())
    for line in block.splitlines()
    if line.startswith("tidegate ")
]
RUN = [line for line in LINES if line.split()[1] in {"check", "predict"}]


@pytest.fixture(scope="module", autouse=True)
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout in which the examples' scripts have been run."""
    folder = tmp_path_factory.mktemp("checkout")
    leave_out = shutil.ignore_patterns("out", "__pycache__")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=leave_out)
    write(folder / "examples" / "lightgbm" / "out")
    (folder / "model.pkl").touch()
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.mark.parametrize("line", RUN)
def test_a_command_without_a_cloud_does_what_the_page_says(line: str, checkout: Path) -> None:
    with patch.dict(os.environ):  # a command sets the worker's variables
        assert main(shlex.split(line)[1:]) == 0

    if "predict" in line:
        assert (checkout / "predictions" / "customers.csv").read_text().count("\n") == 501


@pytest.mark.parametrize("line", LINES)
def test_every_command_of_the_pages_is_one_with_its_options(line: str) -> None:
    _, name, *words = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)

    assert command is not None
    command.make_context(name, words)


def test_the_page_goes_from_a_check_to_a_deployment() -> None:
    assert [line.split()[1] for line in LINES[:4]] == ["check", "predict", "cloud", "deploy"]
