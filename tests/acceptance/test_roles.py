"""The template's roles have every right that their work needs, and no statement without a use.

What is judged here are the policies that the local cloud made of the template, by IAM's rules.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.iam.acts import forbidden, needed
from tests.support.iam.policy import denied, is_allowed, listed
from tests.support.iam.roles import ROLES, Arns, arns, statements
from tests.support.iam.table import document
from tidegate.localcloud.stack import ARTIFACTS
from tidegate.localcloud.system import System

Granted = list[dict[str, Any]]
TABLE = Path(__file__).parents[2] / "docs" / "roles.md"
MODEL = f"arn:aws:s3:::{ARTIFACTS}/model.pkl"


@pytest.fixture
def names(system: System) -> Arns:
    return arns(system.cloud)


@pytest.fixture(params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def granted(system: System, names: Arns, role: str) -> Granted:
    return statements(system.cloud, names.names[role])


def test_a_role_may_do_all_that_its_work_takes(names: Arns, role: str, granted: Granted) -> None:
    assert [str(act) for act in denied(granted, needed(names, MODEL)[role])] == []


def test_a_role_may_do_nothing_that_is_not_its_work(
    names: Arns, role: str, granted: Granted
) -> None:
    assert [str(act) for act in forbidden(names, MODEL)[role] if is_allowed(granted, act)] == []


def test_without_any_one_statement_some_of_the_work_is_denied(
    names: Arns, role: str, granted: Granted
) -> None:
    for left_out in granted:
        rest = [one for one in granted if one is not left_out]
        assert denied(rest, needed(names, MODEL)[role]), f"{left_out['Sid']} is for show"


def test_without_any_one_action_or_resource_some_of_the_work_is_denied(
    names: Arns, role: str, granted: Granted
) -> None:
    for statement, part, one in parts(granted):
        smaller = statement | {part: [other for other in listed(statement[part]) if other != one]}
        rest = [smaller if other is statement else other for other in granted]
        assert denied(rest, needed(names, MODEL)[role]), f"{one} of {statement['Sid']} is for show"


def parts(granted: Granted) -> Iterator[tuple[dict[str, Any], str, str]]:
    for statement in granted:
        for part in ("Action", "Resource"):
            for one in listed(statement[part]):
                yield statement, part, one


def test_every_statement_has_a_name_of_its_own(granted: Granted) -> None:
    sids = [one["Sid"] for one in granted]
    assert len(set(sids)) == len(sids)


def test_what_each_statement_is_for_is_told(
    system: System, names: Arns, request: pytest.FixtureRequest
) -> None:
    granted = {role: statements(system.cloud, names.names[role]) for role in ROLES}
    told = document(names, MODEL, granted)
    if path := request.config.getoption("--roles"):
        Path(path).write_text(told)
    assert TABLE.read_text() == told
