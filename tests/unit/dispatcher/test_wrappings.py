"""S3 events in the wrappings that AWS makes, and events that are replayed from a queue."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.handler import NotSent, UnknownEvent
from tests.support.fakes.dispatcher import (
    SWEEP,
    World,
    client_error,
    decisions,
    eventbridge,
    record,
    stopped_event,
)

Wrap = Callable[[Any], dict[str, Any]]

KEY = "dir/my file+1%2B.csv"
NATIVE = {"Records": [record(KEY)]}
TEST_EVENT = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "in"}


def in_sns(event: object) -> dict[str, Any]:
    """Return what SNS invokes a function with."""
    sns = {"Type": "Notification", "Subject": "Amazon S3 Notification", "Message": text_of(event)}
    return {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]}


def in_sqs(*events: object) -> dict[str, Any]:
    """Return what a queue invokes a function with."""
    return {"Records": [in_sqs_message(event) for event in events]}


def in_sqs_message(event: object) -> dict[str, Any]:
    return {"messageId": "1", "body": text_of(event), "eventSource": "aws:sqs"}


def in_notification(event: object) -> dict[str, Any]:
    """Return the body that SNS gives to an SQS message."""
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:::t", "Message": text_of(event)}


def in_failure(event: object) -> dict[str, Any]:
    """Return Lambda's record of an asynchronous invocation that failed."""
    return {
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": {"errorType": "NotSent"},
    }


def in_failure_through_eventbridge(event: object) -> dict[str, Any]:
    return {
        "source": "lambda",
        "detail-type": "Lambda Function Invocation Result - Failure",
        "detail": in_failure(event),
    }


def text_of(event: object) -> str:
    return event if isinstance(event, str) else json.dumps(event)


def nested(*wraps: Wrap) -> Wrap:
    """Return the wrapping of each in the one before it."""

    def wrap(event: object) -> dict[str, Any]:
        for one in reversed(wraps):
            event = one(event)
        assert isinstance(event, dict)
        return event

    return wrap


WRAPPINGS = {
    "none": nested(),
    "SNS": in_sns,
    "SQS": in_sqs,
    "SNS in SQS": nested(in_sqs, in_notification),
    "failed invocation": in_failure,
    "failed invocation in SQS": nested(in_sqs, in_failure),
    "failed invocation in SNS": nested(in_sns, in_failure),
    "failed invocation in SNS in SQS": nested(in_sqs, in_notification, in_failure),
    "failed invocation in EventBridge": in_failure_through_eventbridge,
    "failed invocation, of SNS, in SQS": nested(in_sqs, in_failure, in_sns),
    "failed replay of a failed invocation": nested(in_sqs, in_failure, in_sqs, in_failure),
}
WRAPPED = pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)


def keys(world: World) -> list[str]:
    return [body["key"] for body in world.sqs.bodies]


@WRAPPED
@pytest.mark.parametrize("event", [NATIVE, eventbridge(KEY)], ids=["native", "EventBridge"])
def test_an_s3_event_is_a_job_in_every_wrapping(wrap: Wrap, event: dict[str, Any]) -> None:
    world = World()

    world.handle(wrap(event))

    assert keys(world) == [KEY]
    assert len(world.ecs.running) == 1


def test_messages_that_a_pipe_hands_over_as_a_list_are_jobs() -> None:
    world = World()

    world.handle([in_sqs_message(NATIVE), in_sqs_message(eventbridge("b.csv"))])

    assert keys(world) == [KEY, "b.csv"]


@WRAPPED
@pytest.mark.parametrize(
    "event",
    [TEST_EVENT, {"Records": [record("a.csv", event="ObjectRemoved:Delete")]}],
    ids=["test event", "removed"],
)
def test_what_is_no_job_is_ignored_by_name_in_every_wrapping(
    wrap: Wrap, event: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    world = World()

    world.handle(wrap(event))

    assert world.calls.made == []
    assert [line["decision"] for line in decisions(capsys)] == ["ignored"]


@WRAPPED
@pytest.mark.parametrize(
    "event", [{"Records": [{"eventSource": "aws:s3"}]}, {"bucket": "in", "key": "a.csv"}], ids=str
)
def test_what_is_not_known_raises_in_every_wrapping(wrap: Wrap, event: dict[str, Any]) -> None:
    world = World()

    with pytest.raises(UnknownEvent):
        world.handle(wrap(event))

    assert world.calls.made == []


@pytest.mark.parametrize("wrap", [in_sns, in_sqs], ids=["SNS", "SQS"])
@pytest.mark.parametrize("text", ["", "nonsense", '{"Records": [', '"a.csv"', "null", "[]"])
def test_a_wrapped_text_that_is_no_event_raises(wrap: Wrap, text: str) -> None:
    with pytest.raises(UnknownEvent):
        World().handle(wrap(text))


def test_a_record_whose_event_lambda_dropped_for_its_size_raises() -> None:
    dropped = {name: value for name, value in in_failure({}).items() if name != "requestPayload"}

    with pytest.raises(UnknownEvent):
        World().handle(in_sqs(dropped))


def test_an_sns_message_that_awaits_confirmation_raises_so_that_its_link_is_kept() -> None:
    confirmation = in_notification("You have chosen ...") | {"Type": "SubscriptionConfirmation"}

    with pytest.raises(UnknownEvent):
        World().handle(in_sqs(confirmation))


def test_a_batch_with_one_unknown_message_is_sent_and_then_returns_as_a_whole() -> None:
    world = World()

    with pytest.raises(UnknownEvent):
        world.handle(in_sqs(NATIVE, "nonsense", TEST_EVENT, in_failure(eventbridge("b.csv"))))

    assert keys(world) == [KEY, "b.csv"]
    assert len(world.ecs.running) == 1


def test_a_batch_whose_messages_the_queue_refuses_returns_as_a_whole() -> None:
    world = World()
    world.sqs.refusals = [{"1": True}]

    with pytest.raises(NotSent):
        world.handle(in_sqs(NATIVE, NATIVE))


def test_a_batch_is_one_look_at_the_fleet() -> None:
    world = World()

    world.handle(in_sqs(*(NATIVE,) * 10))

    assert world.calls.made.count("SendMessageBatch") == 1
    assert world.calls.made.count("GetQueueAttributes") == 1


def test_a_batch_succeeds_though_workers_are_refused_so_that_none_of_it_is_sent_again() -> None:
    world = World()
    world.calls.errors["RunTask"] = client_error("AccessDeniedException")

    world.handle(in_sqs(NATIVE, eventbridge("b.csv")))

    assert keys(world) == [KEY, "b.csv"]


def test_a_sweep_that_is_replayed_looks_at_the_fleet() -> None:
    world = World()
    world.sqs.visible = 40

    world.handle(in_sqs(in_failure(SWEEP)))

    assert len(world.ecs.running) == 4


def test_sweeps_that_are_replayed_do_not_start_a_failing_worker_again() -> None:
    world = World()
    world.ecs.stop(world.ecs.add()["taskArn"], exit_code=1)
    world.sqs.visible = 40

    world.handle(in_sqs(*(in_failure(SWEEP),) * 3))

    assert world.ecs.running == []


def test_a_stopped_task_that_is_replayed_looks_at_the_fleet() -> None:
    world = World()
    stopped = world.ecs.stop(world.ecs.add()["taskArn"])
    world.sqs.visible = 1
    stopped = {name: value for name, value in stopped.items() if not name.endswith("At")}

    world.handle(in_sqs(in_failure(stopped_event(stopped))))

    assert len(world.ecs.running) == 1
