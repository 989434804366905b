"""The pages of docs/ that are made from the code say what the code says now."""

import re

import pytest

from tests.support.template import PARAMETERS, ROOT
from tidegate.cli.main import cli
from website.reference import pages
from worker.settings import Settings

PAGES = pages()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_the_one_that_the_code_makes(page: str) -> None:
    assert (ROOT / "docs" / page).read_text("utf-8") == PAGES[page], "run `make reference`"


def test_every_setting_command_and_parameter_is_on_its_page() -> None:
    settings = re.findall(r"^\| `WORKER_(\w+)`", PAGES["settings.md"], re.MULTILINE)
    commands = re.findall(r"^## tidegate ([\w-]+)$", PAGES["command-line.md"], re.MULTILINE)
    parameters, _, _ = PAGES["template.md"].partition("## Outputs")

    assert [name.lower() for name in settings] == list(Settings.model_fields)
    assert commands == sorted(cli.commands)
    assert sorted(re.findall(r"^\| `(\w+)`", parameters, re.MULTILINE)) == sorted(PARAMETERS)
