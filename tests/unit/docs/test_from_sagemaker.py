"""docs/from-sagemaker.md names settings, parameters and options that are there."""

import re

from tests.support.template import PARAMETERS, ROOT
from tidegate.cli.main import cli
from worker.settings import Settings

PAGE = (ROOT / "docs" / "from-sagemaker.md").read_text("utf-8")


def test_each_setting_parameter_and_option_of_the_page_is_there() -> None:
    settings = set(re.findall(r"--set (\w+)=", PAGE))
    parameters = set(
        re.findall(r"`(\w+)`", " ".join(re.findall(r"the parameters (.*?)[;|]", PAGE)))
    )
    options = {
        name for command in cli.commands.values() for one in command.params for name in one.opts
    }

    assert settings
    assert {name.lower() for name in settings} <= Settings.model_fields.keys()
    assert parameters
    assert parameters <= PARAMETERS.keys()
    assert set(re.findall(r"(--[a-z][a-z-]*)", PAGE)) <= options
