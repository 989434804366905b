"""docs/metrics.md lists the metrics of the worker and of the template, and the alarms."""

import re

from tests.support.template import ROOT, of_type
from worker.metrics import UNITS

PAGE = (ROOT / "docs" / "metrics.md").read_text("utf-8")


def rows() -> list[tuple[str, str]]:
    """Return the name and the second cell of each row of the page's tables."""
    return re.findall(r"^\| `([\w-]+)` \| `?(.+?)`? \|", PAGE, re.MULTILINE)


def text(value: str | dict[str, str]) -> str:
    """Return a text of the template with STACK in the place of the stack's name."""
    assert isinstance(value, dict)
    return value["Fn::Sub"].replace("${AWS::StackName}", "STACK")


def test_each_metric_of_the_worker_is_listed_with_its_unit() -> None:
    assert {name: unit for name, unit in rows() if "STACK" not in name} == UNITS


def test_each_metric_of_the_template_is_listed_with_the_decision_that_it_counts() -> None:
    filters = [found["Properties"] for found in of_type("AWS::Logs::MetricFilter").values()]
    counted = {
        text(one["MetricTransformations"][0]["MetricName"]): one["FilterPattern"].split('"')[1]
        for one in filters
    }

    assert {name: second for name, second in rows() if name.endswith("-STACK")} == counted


def test_each_alarm_is_listed() -> None:
    alarms = of_type("AWS::CloudWatch::Alarm").values()

    assert sorted(name for name, _ in rows() if name.startswith("STACK-")) == sorted(
        text(alarm["Properties"]["AlarmName"]) for alarm in alarms
    )
