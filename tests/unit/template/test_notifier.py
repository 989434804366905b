"""What events and notices add to a stack, and that nothing of it is there unless asked for."""

import pytest

from tests.support.iam.notices import FORBIDDEN, NEEDED, statements, table
from tests.support.iam.policy import denied, is_allowed, listed
from tests.support.template import (
    RESOURCES,
    ROOT,
    Deployed,
    arn_of,
    condition,
    container,
    of_type,
    properties,
    resolve,
)

ASKED_FOR = [
    {"Events": "ENABLED"},
    {"NoticeEmail": "day@example.com"},
    {"NoticeTopicArn": "arn:aws:sns:eu-west-1:123456789012:people"},
]
WITH_EVENTS = {
    *("Notifier", "NotifierFailures", "NotifierLogGroup", "NotifierRole"),
    *("FileEventsQueue", "UnannouncedQueue", "FileEvents", "FileEventsMayBeKept"),
    *("WorkerEnded", "WorkerEndedMayInvokeNotifier"),
    *("DigestDue", "DigestDueMayInvokeNotifier"),
}
WITH_NOTICES = {"FirstFailure", "FirstFailureMayInvokeNotifier"}
ADDED = {*WITH_EVENTS, *WITH_NOTICES, "NoticeTopic", "NotifierFails"}


def made(**parameters: str) -> set[str]:
    """Return the resources of these parameters."""
    deployed = Deployed(**parameters)
    return {
        name
        for name, resource in RESOURCES.items()
        if "Condition" not in resource or condition(resource["Condition"], deployed)
    }


def variables(**parameters: str) -> dict[str, str]:
    """Return the worker's environment."""
    entries = resolve(container()["Environment"], Deployed(**parameters))
    return {one["Name"]: one["Value"] for one in entries}


def test_a_stack_that_asks_for_neither_has_nothing_of_it() -> None:
    assert made(AlarmEmail="me@example.com") & ADDED == set()
    assert "WORKER_EVENT_BUS" not in variables()
    (policy,) = resolve(properties("TaskRole")["Policies"], Deployed())
    sids = [one["Sid"] for one in policy["PolicyDocument"]["Statement"]]
    assert "SendEvents" not in sids


@pytest.mark.parametrize("parameters", ASKED_FOR)
def test_events_and_notices_make_the_workers_send_events_under_the_stacks_name(
    parameters: dict[str, str],
) -> None:
    found = variables(**parameters)
    assert found["WORKER_EVENT_BUS"] == "default"
    assert found["WORKER_STACK"] == "<AWS::StackName>"


@pytest.mark.parametrize("parameters", ASKED_FOR)
def test_what_is_made_is_what_was_asked_for(parameters: dict[str, str]) -> None:
    notices = set() if "Events" in parameters else WITH_NOTICES
    topic = {"NoticeTopic"} if "NoticeEmail" in parameters else set()
    assert made(**parameters) & ADDED == WITH_EVENTS | notices | topic


def test_the_notifier_is_watched_if_alarms_are_asked_for() -> None:
    assert "NotifierFails" in made(Events="ENABLED", AlarmEmail="me@example.com")


@pytest.mark.parametrize(
    ("email", "topic", "told"),
    [
        ("", "", ","),
        ("day@example.com", "", "<NoticeTopic>,"),
        ("", "arn:t", ",arn:t"),
        ("day@example.com", "arn:t", "<NoticeTopic>,arn:t"),
    ],
)
def test_notices_go_to_each_topic_that_is_named(email: str, topic: str, told: str) -> None:
    text = properties("Notifier")["Environment"]["Variables"]["NOTIFIER_TOPICS"]
    assert resolve(text, Deployed(NoticeEmail=email, NoticeTopicArn=topic)) == told


@pytest.mark.parametrize("rule", ["FirstFailure", "WorkerEnded", "DigestDue"])
def test_every_rule_of_the_notifier_may_invoke_it(rule: str) -> None:
    (target,) = properties(rule)["Targets"]
    permission = RESOURCES[f"{rule}MayInvokeNotifier"]
    assert target["Arn"] == arn_of("Notifier")
    assert permission["Properties"]["SourceArn"] == arn_of(rule)
    assert permission["Condition"] == RESOURCES[rule]["Condition"]


def test_no_rule_invokes_the_notifier_for_each_file() -> None:
    invoking = [
        properties(name)
        for name in of_type("AWS::Events::Rule")
        if properties(name)["Targets"][0]["Arn"] == arn_of("Notifier")
    ]
    patterns = [one["EventPattern"] for one in invoking if "EventPattern" in one]
    per_file = [pattern for pattern in patterns if pattern["source"] == ["tidegate"]]
    assert [pattern["detail"]["first_in_worker"] for pattern in per_file] == [[True]]


def test_the_notifier_sees_events_of_its_own_stack_alone() -> None:
    for rule in ("FileEvents", "FirstFailure"):
        assert properties(rule)["EventPattern"]["detail"]["stack"] == [{"Ref": "AWS::StackName"}]


def test_events_on_which_the_notifier_failed_are_kept_and_watched() -> None:
    assert properties("NotifierFailures")["DestinationConfig"]["OnFailure"] == {
        "Destination": arn_of("UnannouncedQueue")
    }
    (dimension,) = properties("NotifierFails")["Dimensions"]
    assert dimension["Value"] == {"Fn::GetAtt": ["UnannouncedQueue", "QueueName"]}


@pytest.mark.parametrize("role", NEEDED)
def test_a_role_may_do_all_that_its_work_takes_and_nothing_else(role: str) -> None:
    granted = statements(role)
    assert [str(act) for act in denied(granted, NEEDED[role])] == []
    assert [str(act) for act in FORBIDDEN[role] if is_allowed(granted, act)] == []


@pytest.mark.parametrize("role", NEEDED)
def test_without_any_one_action_or_resource_some_of_the_work_is_denied(role: str) -> None:
    granted = statements(role)
    for statement in granted:
        for part in ("Action", "Resource"):
            for one in listed(statement[part]):
                rest = [other for other in listed(statement[part]) if other != one]
                smaller = statement | {part: rest}
                others = [smaller if other is statement else other for other in granted]
                assert denied(others, NEEDED[role]), f"{one} of {statement['Sid']} is for show"


def test_the_table_of_these_rights_is_in_the_page_of_roles() -> None:
    assert table() in (ROOT / "docs" / "roles.md").read_text("utf-8")
