"""docs/metrics.md has all numbers and metrics; docs/alarms.md has the text of each alarm."""

import re

from tests.support.template import ROOT, of_type
from worker.metrics import FIELDS, METRICS

PAGE = (ROOT / "docs" / "metrics.md").read_text("utf-8")
ALARMS = (ROOT / "docs" / "alarms.md").read_text("utf-8")
SHOWN = {
    "${AWS::StackName}": "STACK",
    "${Dispatcher}": "STACK-dispatcher",
    "${UndispatchedQueue.Arn}": "arn:aws:sqs:REGION:ACCOUNT:STACK-undispatched",
    "${ReconcilerLogGroup}": "/aws/lambda/STACK-reconciler",
    "${NotifierLogGroup}": "/aws/lambda/STACK-notifier",
    "${UnannouncedQueue}": "https://sqs.REGION.amazonaws.com/ACCOUNT/STACK-unannounced",
}


def rows(heading: str) -> list[tuple[str, str]]:
    """Return the first two cells of each row of the tables under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([\w-]+)` \| `?(.+?)`? \|", section, re.MULTILINE)


def text(value: str | dict[str, str]) -> str:
    """Return a text of the template with STACK in the place of the stack's name."""
    assert isinstance(value, dict)
    found = value["Fn::Sub"]
    for name, shown in SHOWN.items():
        found = found.replace(name, shown)
    return found


def test_each_field_of_a_line_of_numbers_is_listed_in_the_order_of_the_code() -> None:
    assert [name for name, _ in rows("The line of numbers")] == list(FIELDS)


def test_each_metric_of_the_worker_is_listed_with_its_field() -> None:
    listed = {field: name for name, field in rows("Metrics") if "STACK" not in name}

    assert listed == METRICS


def test_each_metric_of_the_template_is_listed_with_the_decision_that_it_counts() -> None:
    filters = [found["Properties"] for found in of_type("AWS::Logs::MetricFilter").values()]
    counted = {
        text(one["MetricTransformations"][0]["MetricName"]): one["FilterPattern"].split('"')[1]
        for one in filters
    }

    assert {name: second for name, second in rows("Metrics") if "STACK" in name} == counted


def test_each_alarm_has_a_section_that_begins_with_its_text() -> None:
    alarms = [found["Properties"] for found in of_type("AWS::CloudWatch::Alarm").values()]

    assert re.findall(r"^## (\S+)\n\n> (.+)$", ALARMS, re.MULTILINE) == [
        (text(alarm["AlarmName"]), text(alarm["AlarmDescription"])) for alarm in alarms
    ]
