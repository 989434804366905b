import tomllib
from pathlib import Path

import yaml

from tidegate.cli.main import cli
from worker import settings_help

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


def test_the_settings_table_is_the_one_in_the_code() -> None:
    rows = [
        f"| `{name}` | {default} | {meaning} |" for name, default, meaning in settings_help.table()
    ]
    table = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])
    assert table in README.read_text(), f"the table in README.md should be\n{table}"


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
