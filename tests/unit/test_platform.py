"""docs/platform.md says what is so: endpoints, tags, partitions, policies, and tests by name."""

import re
from pathlib import Path

import pytest

from tests.support.iam.deployer import FILLED_IN, POLICIES
from tests.support.iam.handlers import is_tagged, types
from tests.support.template import PARAMETERS, RESOURCES, ROOT, container
from tidegate.aws import prices

PAGE = (ROOT / "docs" / "platform.md").read_text()
KINDS = {resource["Type"] for resource in RESOURCES.values()}
HOURS_A_MONTH = 730
ZONES = 2


def test_the_endpoints_are_those_that_the_workers_need() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "worker").rglob("*.py"))
    called = set(re.findall(r'(?:open|create)_client\(\s*"(\w+)"', sources))
    by_ecs = {"awslogs": "logs"}[container()["LogConfiguration"]["LogDriver"]]
    secret = PARAMETERS["PredictorSecret"]["AllowedPattern"].split(":")[2]

    assert set(endpoints()) == called | {by_ecs, secret, "ecr.api", "ecr.dkr"}


def test_what_the_endpoints_cost_is_computed() -> None:
    always = [
        name for name, row in endpoints().items() if "interface" in row and "only with" not in row
    ]
    dollars = len(always) * ZONES * HOURS_A_MONTH * prices.ENDPOINT.dollars

    assert f"cost {dollars:.2f} dollars a month in two zones" in PAGE


def endpoints() -> dict[str, str]:
    """Return each endpoint of the table by its service's name."""
    rows = re.findall(r"^\| `com\.amazonaws\.REGION\.([\w.]+)` \|(.*)$", PAGE, re.MULTILINE)
    return dict(rows)


def test_the_types_that_cloudformation_cannot_tag_are_listed() -> None:
    (listed,) = re.findall(r"CloudFormation cannot tag these(.*?)\n\n", PAGE, re.DOTALL)

    assert set(re.findall(r"`(AWS::\w+::\w+)`", listed)) == {
        kind for kind in KINDS if not is_tagged(kind)
    }


@pytest.mark.parametrize(
    "region", ["cn-north-1", "cn-northwest-1", "us-gov-west-1", "us-gov-east-1"]
)
def test_every_type_of_resource_is_there_in_china_and_govcloud(region: str) -> None:
    assert KINDS - types(region).keys() == set()


def test_every_policy_is_in_the_table_and_every_placeholder_is_explained() -> None:
    names = {path.name for path in POLICIES.values()}
    used = {
        word
        for path in POLICIES.values()
        for word in re.findall(r"\b[A-Z]{5,}\b", path.read_text())
    }

    assert set(re.findall(r"^\| `([\w-]+\.json)` \|", PAGE, re.MULTILINE)) == names
    assert used == FILLED_IN.keys()
    assert all(f"`{word}`" in PAGE for word in used)


def test_every_test_that_is_named_is_there() -> None:
    _, _, table = PAGE.partition("## The list")
    named = set(re.findall(r"`(test_\w+)`", table))
    sources = "".join(path.read_text() for path in Path(ROOT / "tests").rglob("test_*.py"))

    assert named
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []


def test_every_row_of_the_list_names_a_test_or_says_that_there_is_none() -> None:
    _, _, table = PAGE.partition("## The list")
    rows = re.findall(r"^\| (.*) \| (.*) \|$", table, re.MULTILINE)

    assert len(rows) > 10
    for demand, shown_by in rows[1:]:
        assert "`test_" in shown_by or "by the document alone" in shown_by.lower(), demand
