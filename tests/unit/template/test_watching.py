"""Alarms and the dashboard: their metrics, queues and logs exist."""

import json
import re
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from tests.support.fakes.dispatcher import World, client_error, decisions, stopped_event
from tests.support.template import (
    NOTHING,
    RESOURCES,
    ROOT,
    TEMPLATE,
    condition,
    of_type,
    properties,
    resolve,
)
from tidegate.cli.main import cli
from tidegate.localcloud.task_metadata import task_metadata
from worker.job import Done, S3Uri
from worker.lifecycle.stop import Stop
from worker.metrics import DIMENSION, EVENT, FIELDS, METRICS, NAMESPACE, Metrics
from worker.service.identity import METADATA_VARIABLE
from worker.service.last_line import LastLine

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskDefinitionTypeDef

ALARMS = of_type("AWS::CloudWatch::Alarm")


MOST_OF_A_DESCRIPTION = 1024  # characters, by CloudWatch
WIDTH = 24  # of a dashboard
NAMES = {
    "AWS::StackName": "s" * 32,
    "Dispatcher": "s" * 64,
    "UndispatchedQueue.Arn": f"arn:aws:sqs:ap-southeast-1:123456789012:{'s' * 80}",
    "ReconcilerLogGroup": f"/aws/lambda/{'s' * 64}",
    "NotifierLogGroup": f"/aws/lambda/{'s' * 64}",
    "UnannouncedQueue": f"https://sqs.ap-southeast-1.amazonaws.com/123456789012/{'s' * 80}",
}
OF_THE_STACK = {f"${{{name}}}" for name in NAMES}


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
def test_an_alarm_ends_when_no_data_comes_as_an_idle_stack_sends_none(alarm: str) -> None:
    assert properties(alarm)["TreatMissingData"] == "notBreaching"


@pytest.mark.parametrize("alarm", ALARMS)
def test_no_alarm_looks_at_a_metric_that_a_worker_sends_while_all_is_well(alarm: str) -> None:
    """AWS's own metrics are free, and those of the filters come only in trouble."""
    filters = [one["Properties"] for one in of_type("AWS::Logs::MetricFilter").values()]
    counted = [one["MetricTransformations"][0]["MetricName"] for one in filters]
    looked_at = properties(alarm)

    assert looked_at["Namespace"].startswith("AWS/") or looked_at["MetricName"] in counted


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_names_the_commands_to_type(alarm: str) -> None:
    text = properties(alarm)["AlarmDescription"]["Fn::Sub"]
    commands = [one.split() for one in re.findall("`(.+?)`", text)]

    assert commands
    assert len(resolve({"Fn::Sub": text}, NAMES)) <= MOST_OF_A_DESCRIPTION
    for program, name, *words in commands:
        assert program in {"tidegate", "aws"}
        assert OF_THE_STACK.intersection(words)
        if program == "tidegate":
            known = {option for one in cli.commands[name].params for option in one.opts}
            assert {word for word in words if word.startswith("--")} <= known


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
    shown = {line[1]: line[2:] for line in metrics() if line[0] == NAMESPACE and line[2:]}

    assert shown == {name: [DIMENSION, "${AWS::StackName}"] for name in METRICS.values()}


def queries(event: str) -> list[str]:
    return [query for one in widgets() if f"event = '{event}' |" in (query := one.get("query", ""))]


def fields_of(event: str) -> set[str]:
    """Return the fields that the dashboard's queries aggregate of the lines with this event."""
    return {
        field
        for query in queries(event)
        for field in re.findall(r"(?:sum|max|avg|pct)\(([\w.]+)", query)
    }


def test_the_dashboard_shows_every_number_of_the_workers_and_no_other() -> None:
    assert fields_of(EVENT) | set(METRICS) == set(FIELDS) - {"busy_seconds"}


def test_the_dashboard_asks_for_fields_that_the_line_of_a_job_has() -> None:
    assert fields_of("job done")
    assert fields_of("job done") <= Done("predicted", S3Uri("b", "k")).log_fields().keys()


async def test_the_dashboard_asks_for_fields_that_the_last_line_of_a_worker_has() -> None:
    with task_metadata() as metadata, capture_logs() as lines:
        definition = cast("TaskDefinitionTypeDef", {"cpu": "1024", "memory": "4096"})
        address = metadata.add("0" * 32, definition)
        last_line = LastLine(Metrics("tide", None), Stop(), {METADATA_VARIABLE: address})
        last_line.note_ready()
        last_line.log()

    (line,) = lines
    assert queries(line["event"])
    assert fields_of(line["event"]) <= line.keys()


def test_the_dashboard_shows_each_phase_of_a_start() -> None:
    page = (ROOT / "docs" / "log-events.md").read_text("utf-8")
    phases = re.findall(r"^- `(\w+)`: ", page, re.MULTILINE)

    assert fields_of("ready") == {"seconds", *(f"phases.{phase}" for phase in phases)}


def test_the_dashboard_answers_what_an_operator_asks_in_that_order() -> None:
    asked = [one["markdown"] for one in widgets() if one.get("markdown", "").startswith("## ")]

    assert [question.split("?")[0].removeprefix("## ") for question in asked] == [
        "Is anything failing",
        "Is anything waiting",
        "How long does a file take, and where",
        "What does it cost",
    ]


def test_no_two_widgets_of_the_dashboard_overlap() -> None:
    body, _ = properties("Overview")["DashboardBody"]["Fn::Sub"]
    taken = [
        (x, y)
        for widget in json.loads(body)["widgets"]
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]

    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < WIDTH


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
