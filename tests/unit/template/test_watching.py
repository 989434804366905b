"""Alarms and the dashboard: their metrics, queues and logs exist."""

import json
import re
from typing import Any

import pytest

from tests.support.fakes.dispatcher import World, client_error, decisions, stopped_event
from tests.support.template import RESOURCES, of_type, properties
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


def test_alarms_and_their_topic_are_made_for_those_who_name_an_address() -> None:
    conditions = {found["Condition"] for found in (*ALARMS.values(), RESOURCES["AlarmTopic"])}

    assert conditions == {"HasAlarmEmail"}
    assert properties("AlarmTopic")["Subscription"] == [
        {"Protocol": "email", "Endpoint": {"Ref": "AlarmEmail"}}
    ]


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_mails_what_is_wrong_and_where_to_look(alarm: str) -> None:
    definition = properties(alarm)

    assert definition["AlarmActions"] == [{"Ref": "AlarmTopic"}]
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
