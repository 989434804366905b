"""Alarms and the dashboard: their metrics, queues and logs exist."""

import json
import re
from typing import Any

import pytest

from tests.support.fakes.dispatcher import World, decisions, stopped_event
from tests.support.template import RESOURCES, of_type, properties
from worker.metrics import NAMESPACE, UNITS

ALARMS = of_type("AWS::CloudWatch::Alarm")


def widgets() -> list[dict[str, Any]]:
    body = properties("Overview")["DashboardBody"]["Fn::Sub"]
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


def test_the_alarm_and_the_dashboard_look_at_the_count_of_workers_that_failed() -> None:
    (counted,) = properties("WorkersFailed")["MetricTransformations"]
    (name,) = counted["MetricName"].values()

    assert properties("WorkersFail")["MetricName"] == counted["MetricName"]
    assert properties("WorkersFail")["Namespace"] == counted["MetricNamespace"]
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
