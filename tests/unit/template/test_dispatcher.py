"""The dispatcher function's settings and triggers."""

import pytest

from dispatcher.handler import PREFIX, Settings
from tests.support.template import (
    NOTHING,
    arn_of,
    listed,
    properties,
    resolve,
    statements,
)


def test_events_that_the_dispatcher_failed_on_are_kept_with_their_error() -> None:
    failures = properties("DispatcherFailures")

    assert failures["FunctionName"] == {"Ref": "Dispatcher"}
    assert failures["DestinationConfig"]["OnFailure"] == {
        "Destination": arn_of("UndispatchedQueue")
    }
    assert arn_of("UndispatchedQueue") in [
        found["Resource"] for found in statements("DispatcherRole")
    ]


def test_events_that_were_kept_can_be_replayed_by_pointing_their_queue_at_the_dispatcher() -> None:
    replayed = {
        action
        for found in statements("DispatcherRole")
        if found["Resource"] == arn_of("UndispatchedQueue")
        for action in listed(found["Action"])
    }
    timeout = properties("Dispatcher")["Timeout"]

    # Lambda requires these rights, and advises six timeouts for a queue that invokes a function.
    assert replayed >= {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
    assert properties("UndispatchedQueue")["VisibilityTimeout"] >= 6 * timeout


@pytest.mark.parametrize("queue", ["Queue", "DeadLetterQueue"])
def test_the_dispatcher_takes_no_message_from_the_queues_of_jobs(queue: str) -> None:
    allowed = {
        action
        for found in statements("DispatcherRole")
        if found["Resource"] == arn_of(queue)
        for action in listed(found["Action"])
    }

    assert allowed <= {"sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:ListQueueTags"}


@pytest.mark.parametrize(("parameter", "reserved"), [("", NOTHING), ("10", "10")])
def test_concurrency_is_reserved_only_if_a_number_is_given(
    parameter: str, reserved: object
) -> None:
    value = properties("Dispatcher")["ReservedConcurrentExecutions"]
    nothing = {"AWS::NoValue": NOTHING}

    assert resolve(value, {"DispatcherConcurrency": parameter} | nothing) == reserved


def test_the_dispatcher_gets_every_setting_that_it_reads_and_no_other() -> None:
    variables = properties("Dispatcher")["Environment"]["Variables"]

    assert set(variables) == {PREFIX + field.upper() for field in Settings.__slots__}


def test_the_settings_of_the_dispatcher_are_the_public_ones() -> None:
    assert set(properties("Dispatcher")["Environment"]["Variables"]) == {
        "DISPATCHER_QUEUE_URL",
        "DISPATCHER_INPUT_PREFIX",
        "DISPATCHER_OUTPUT_BUCKET",
        "DISPATCHER_OUTPUT_KEY",
        "DISPATCHER_SUFFIXES",
        "DISPATCHER_CLUSTER",
        "DISPATCHER_TASK_DEFINITION",
        "DISPATCHER_SUBNETS",
        "DISPATCHER_SECURITY_GROUPS",
        "DISPATCHER_ASSIGN_PUBLIC_IP",
        "DISPATCHER_CAPACITY",
        "DISPATCHER_MAX_TASKS",
        "DISPATCHER_MESSAGES_PER_TASK",
    }


def test_stopped_tasks_of_this_cluster_and_family_reach_the_dispatcher() -> None:
    rule = properties("TaskStopped")
    (family,) = properties("TaskDefinition")["Family"].values()

    assert rule["EventPattern"]["detail"] == {
        "lastStatus": ["STOPPED"],
        "clusterArn": [arn_of("Cluster")],
        "group": [{"Fn::Sub": f"family:{family}"}],
    }


@pytest.mark.parametrize("rule", ["InputArrived", "TaskStopped", "Sweep"])
def test_every_rule_may_invoke_the_dispatcher(rule: str) -> None:
    (target,) = properties(rule)["Targets"]

    assert target["Arn"] == arn_of("Dispatcher")
    assert properties(f"{rule}MayInvokeDispatcher")["SourceArn"] == arn_of(rule)


def test_the_sweep_comes_every_five_minutes() -> None:
    assert properties("Sweep")["ScheduleExpression"] == "rate(5 minutes)"
