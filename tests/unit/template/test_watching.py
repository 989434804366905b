"""Alarms and the dashboard: their metrics, queues and logs exist."""

import json
import re
from typing import Any

import pytest

from tests.support.fakes.dispatcher import World, client_error, decisions, stopped_event
from tests.support.template import (
    NOTHING,
    RESOURCES,
    TEMPLATE,
    condition,
    of_type,
    properties,
    resolve,
)
from worker.metrics import NAMESPACE, UNITS

ALARMS = of_type("AWS::CloudWatch::Alarm")


def widgets() -> list[dict[str, Any]]:
    body, _ = properties("Overview")["DashboardBody"]["Fn::Sub"]
    return [widget["properties"] for widget in json.loads(body)["widgets"]]


def metrics() -> list[list[str]]:
    """Return every metric of the dashboard, with CloudWatch's abbreviations expanded."""
    found: list[list[str]] = []
    for widget in widgets():
        before: list[str] = []
        for line in widget.get("metrics", []):
            short = [part for part in line if isinstance(part, str)]
            if short[0] == "...":
                full = before[: len(before) - len(short) + 1] + short[1:]
            else:
                full = [before[at] if part == "." else part for at, part in enumerate(short)]
            found.append(full)
            before = full
    return found


def test_a_topic_is_made_for_those_who_name_an_address() -> None:
    assert RESOURCES["AlarmTopic"]["Condition"] == "HasAlarmEmail"
    assert properties("AlarmTopic")["Subscription"] == [
        {"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}
    ]


OWN_TOPIC = "arn:aws:sns:eu-west-1:123456789012:night"


@pytest.mark.parametrize("alarm", ALARMS)
@pytest.mark.parametrize(
    ("email", "topic", "told"),
    [
        ("", "", []),
        ("me@example.com", "", ["the-stacks-own"]),
        ("", OWN_TOPIC, [OWN_TOPIC]),
        ("me@example.com", OWN_TOPIC, ["the-stacks-own", OWN_TOPIC]),
    ],
)
def test_an_alarm_is_made_for_an_address_or_a_topic_and_is_sent_to_each_that_is_named(
    alarm: str, email: str, topic: str, told: list[str]
) -> None:
    known = {"AlarmEmail": email, "AlarmTopicArn": topic, "AlarmTopic": "the-stacks-own"}
    known |= {"Events": "ENABLED", "Reconcile": "NIGHTLY", "NoticeEmail": "", "NoticeTopicArn": ""}
    actions = resolve(properties(alarm)["AlarmActions"], known | {"AWS::NoValue": NOTHING})

    assert condition(ALARMS[alarm]["Condition"], known) is bool(told)
    assert [action for action in actions if action != NOTHING] == told


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_says_what_is_wrong_and_where_to_look(alarm: str) -> None:
    definition = properties(alarm)

    assert "${" in definition["AlarmDescription"]["Fn::Sub"]
    assert definition["TreatMissingData"] == "notBreaching"  # an idle stack sends no data


def test_there_is_an_alarm_for_each_kind_of_trouble() -> None:
    assert set(ALARMS) == {
        "DeadLetters",
        "Waiting",
        "WorkersFail",
        "NoStart",
        "DispatcherFails",
        "Undispatched",
        "NotifierFails",
        "ReconcilerFails",
    }


def test_workers_that_failed_are_counted_by_what_the_dispatcher_logs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    world.ecs.stop(world.ecs.add()["taskArn"], exit_code=None, code="TaskFailedToStart")
    world.handle(stopped_event(world.ecs.tasks[max(world.ecs.tasks)]))

    (pattern,) = re.findall(r'"(.*)"', properties("WorkersFailed")["FilterPattern"])

    assert [line["decision"] for line in decisions(capsys)] == [pattern]


def test_refused_starts_are_counted_by_what_the_dispatcher_logs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    world.calls.errors["RunTask"] = client_error("AccessDeniedException")
    world.upload()

    (pattern,) = re.findall(r'"(.*)"', properties("StartsRefused")["FilterPattern"])

    assert decisions(capsys)[-1]["decision"] == pattern


def test_a_failed_event_is_not_said_to_be_a_file_that_is_no_job() -> None:
    text = properties("Undispatched")["AlarmDescription"]["Fn::Sub"]

    assert "not become jobs" not in text
    assert "Replay" in text


@pytest.mark.parametrize(
    ("metric_filter", "alarm"), [("WorkersFailed", "WorkersFail"), ("StartsRefused", "NoStart")]
)
def test_the_alarm_and_the_dashboard_look_at_what_is_counted(
    metric_filter: str, alarm: str
) -> None:
    (counted,) = properties(metric_filter)["MetricTransformations"]
    (name,) = counted["MetricName"].values()

    assert properties(alarm)["MetricName"] == counted["MetricName"]
    assert properties(alarm)["Namespace"] == counted["MetricNamespace"]
    assert [counted["MetricNamespace"], name] in metrics()


@pytest.mark.parametrize(
    ("partition", "region", "console"),
    [
        ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
    ],
)
def test_the_address_of_the_dashboard_is_in_the_partitions_own_console(
    partition: str, region: str, console: str
) -> None:
    known = {"AWS::Partition": partition, "AWS::Region": region, "Overview": "tide"}

    assert resolve(TEMPLATE["Outputs"]["Overview"]["Value"], known) == (
        f"https://{console}/cloudwatch/home?region={region}#dashboards:name=tide"
    )


def test_the_dashboard_shows_every_metric_of_the_worker() -> None:
    shown = {line[1] for line in metrics() if line[0] == NAMESPACE and line[2:3] == ["Queue"]}

    assert shown == set(UNITS)


def test_the_dashboard_shows_all_three_queues() -> None:
    shown = {line[3] for line in metrics() if line[0] == "AWS/SQS"}

    assert shown == {
        "${Queue.QueueName}",
        "${DeadLetterQueue.QueueName}",
        "${UndispatchedQueue.QueueName}",
    }


def test_the_dashboard_has_what_the_workers_and_the_dispatcher_logged() -> None:
    sources = {
        source
        for widget in widgets()
        for source in re.findall(r"SOURCE '\$\{(\w+)\}'", widget.get("query", ""))
    }

    assert sources == {"WorkerLogGroup", "DispatcherLogGroup"}
