"""docs/private-subnets.md: its endpoints are those of the platform's page, and its costs add up."""

import re

import pytest

from tests.support.template import ROOT
from tidegate.aws import prices

PAGE, PLATFORM = (
    (ROOT / "docs" / name).read_text("utf-8") for name in ("private-subnets.md", "platform.md")
)
HOURS_A_MONTH = 730
SERVICES = re.findall(r"^for SERVICE in (.*); do$", PAGE, re.MULTILINE)[0].split()
ALWAYS = re.findall(
    r"^\| `com\.amazonaws\.REGION\.([\w.]+)` \| interface \| (?!only with)", PLATFORM, re.MULTILINE
)


def row(first: str) -> list[str]:
    """Return the numbers in the other cells of a row of the table of costs."""
    (cells,) = re.findall(rf"^\| {first} \|(.*)$", PAGE, re.MULTILINE)
    return re.findall(r"\d+(?:\.\d+)?", cells)


def test_the_endpoints_are_those_that_are_always_needed() -> None:
    assert SERVICES == ALWAYS


@pytest.mark.parametrize(("name", "zones"), [("one zone", 1), ("two zones", 2)])
def test_what_endpoints_cost_is_computed(name: str, zones: int) -> None:
    dollars = len(SERVICES) * zones * HOURS_A_MONTH * prices.ENDPOINT.dollars

    assert row(f"endpoints in {name}")[0] == f"{dollars:.2f}"


def test_what_a_nat_gateway_costs_is_computed() -> None:
    month, address, per_gigabyte, *_ = row("one NAT gateway")

    assert float(month) == pytest.approx(float(per_gigabyte) * HOURS_A_MONTH)
    assert float(address) == pytest.approx(prices.ADDRESS.dollars * HOURS_A_MONTH)
