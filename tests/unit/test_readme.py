import re
import tomllib
from pathlib import Path

import yaml

from tidegate.cli.main import cli

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MOST_LINES = 150  # what a first visit needs, and no more


def test_the_badges_say_what_the_project_is_tested_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    floor = project["tool"]["coverage"]["report"]["fail_under"]
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yaml").read_text())
    pythons = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    listed = [
        name.rpartition(" ")[2]
        for name in project["project"]["classifiers"]
        if name.startswith("Programming Language :: Python :: 3.")
    ]

    assert listed == pythons
    assert f"badge/coverage-{floor}%25-" in README.read_text()
    assert f"badge/Python-{'%20|%20'.join(pythons)}-" in README.read_text()


def test_the_form_for_faults_asks_for_commands_that_exist() -> None:
    form = (ROOT / ".github/ISSUE_TEMPLATE/fault.yml").read_text()
    asked = {"doctor", "show"}

    assert all(f"`tidegate {name}" in form for name in asked)
    assert asked <= cli.commands.keys()
    assert "`tidegate --version`" in form


def test_a_first_visit_has_the_two_commands_and_little_to_read() -> None:
    text = README.read_text()

    assert len(text.splitlines()) <= MOST_LINES
    assert re.search(r"```\nmake demo .*\nmake test .*\n```", text)


def test_the_rows_that_the_readme_shows_are_those_of_the_demo() -> None:
    rows = re.findall(r"^(\d{4}),(0\.\d+)$", README.read_text(), re.MULTILINE)
    picture = (ROOT / "docs" / "demo.svg").read_text()

    assert rows
    assert f"{float(rows[0][1]):.6f}" in picture
