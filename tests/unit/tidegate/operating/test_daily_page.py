"""docs/daily-life.md, docs/backfill.md: each command in them exists, and each test they name."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.iam import operator
from tidegate.cli.definitions.operating import COMMANDS as DAILY
from tidegate.cli.definitions.runs import COMMANDS as RUNS
from tidegate.cli.main import cli

ROOT = Path(__file__).parents[4]
PAGE = "".join((ROOT / "docs" / name).read_text() for name in ("daily-life.md", "backfill.md"))
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| `(test_\w+)` \|$", PAGE, flags=re.MULTILINE)
COMMANDS = sorted(set(re.findall(r"`tidegate (\w[^`]*)`", PAGE)))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_can_be_typed(command: str) -> None:
    name, *arguments = shlex.split(command)
    found = cli.commands[name]
    found.make_context(name, arguments)


def test_every_question_has_a_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(ROWS) > 20
    assert [name for _, _, name in ROWS if f"def {name}(" not in tests] == []


def test_every_command_of_every_day_is_on_the_page() -> None:
    typed = {command.split()[0] for command in COMMANDS}
    assert {command.name for command in (*DAILY, *RUNS)} <= typed


def test_the_table_of_rights_is_that_of_the_policies() -> None:
    assert "\n".join(operator.rows()) in PAGE
    assert {command.name for command in (*DAILY, *RUNS)} == operator.READING.keys() - {"all"}
