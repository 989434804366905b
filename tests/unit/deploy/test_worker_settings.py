import re
import shlex

import pytest

from tests.support.template import PARAMETERS
from tidegate.deploy.worker_settings import merge


@pytest.mark.parametrize(
    "assignments",
    [
        [],
        ["KEEP_COLUMNS=id,age", "MAX_REJECTED=0.1"],
        ["OUTPUT_TEMPLATE=of/{version_id}/{key}", "DELIMITER=;"],
        ["KEEP_COLUMNS=first name,it's"],
    ],
)
def test_any_settings_are_a_value_of_the_parameter_and_read_back(assignments: list[str]) -> None:
    value = merge("", assignments, ())

    pattern = PARAMETERS["WorkerSettings"]["AllowedPattern"]
    assert re.fullmatch(pattern, value)
    assert shlex.split(value) == assignments
