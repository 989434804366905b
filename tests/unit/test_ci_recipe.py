"""The recipe for continuous integration: its commands exist, and it holds no key."""

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.support.template import ROOT
from tidegate.cli.main import cli

RECIPE = (ROOT / "examples" / "ci" / "github-actions.yaml").read_text(encoding="utf-8")
COMMANDS = re.findall(r"run: tidegate (.*)$", RECIPE, re.MULTILINE)
JOB = re.compile(r"^  (\w+):\n(.*?)(?=^  \w+:|\Z)", re.MULTILINE | re.DOTALL)
JOBS = dict(JOB.findall(RECIPE.split("\njobs:\n")[1]))


def test_it_checks_deploys_and_looks() -> None:
    assert list(JOBS) == ["check", "staging", "production"]
    assert [command.split()[0] for command in COMMANDS] == ["check", *["deploy", "doctor"] * 2]


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_of_it_takes_the_options_that_are_written(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *arguments = shlex.split(line)
    for file in re.findall(r"samples/\S+", line):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    command = cli.commands[name]

    command.make_context(name, arguments, parent=click.Context(cli))


def test_only_the_jobs_that_deploy_get_a_role_and_none_has_a_key() -> None:
    with_token = [name for name, job in JOBS.items() if "id-token: write" in job]

    assert with_token == ["staging", "production"]
    assert "secrets." not in RECIPE
    assert [name for name in with_token if f"environment: {name}" not in JOBS[name]] == []


def test_a_pull_request_deploys_nothing() -> None:
    assert "if: github.event_name == 'push'" in JOBS["staging"]
    assert "needs: staging" in JOBS["production"]


def test_each_action_is_pinned_by_a_commit_and_says_its_version() -> None:
    used = re.findall(r"uses: (.*)", RECIPE)

    assert used
    assert [line for line in used if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", line)] == []
