"""How messages are sent, also when SQS does not accept all of them."""

import pytest

from dispatcher.handler import NotSent
from tests.support.fakes.dispatcher import World, client_error, decisions

LARGEST_BATCH = 256 * 1024


def ids(world: World) -> list[list[str]]:
    return [[entry["Id"] for entry in batch] for batch in world.sqs.batches]


def test_messages_go_in_batches_of_ten() -> None:
    world = World()

    world.upload(*(f"{n}.csv" for n in range(23)))

    assert [len(batch) for batch in world.sqs.batches] == [10, 10, 3]
    assert [body["key"] for body in world.sqs.bodies] == [f"{n}.csv" for n in range(23)]


def test_the_same_key_twice_in_one_batch_has_two_ids() -> None:
    world = World()

    world.upload("a.csv", "a.csv")

    assert ids(world) == [["0", "1"]]


def test_ten_of_the_longest_keys_fit_into_one_batch() -> None:
    world = World(suffixes="")

    world.upload(*["\x01" * 1024] * 10)

    (batch,) = world.sqs.batches
    assert sum(len(entry["MessageBody"].encode()) for entry in batch) < LARGEST_BATCH


def test_a_body_is_ascii_because_sqs_refuses_some_characters() -> None:
    world = World()

    world.upload("\uffff.csv")

    assert world.sqs.batches[0][0]["MessageBody"].isascii()
    assert world.sqs.bodies[0]["key"] == "\uffff.csv"


def test_only_what_the_queue_failed_on_is_sent_again() -> None:
    world = World()
    world.sqs.refusals = [{"1": False}]

    world.upload("a.csv", "b.csv", "c.csv")

    assert ids(world) == [["0", "1", "2"], ["1"]]
    assert world.sqs.bodies[-1]["key"] == "b.csv"
    assert world.ecs.running


def test_a_queue_that_keeps_failing_makes_lambda_retry_the_event() -> None:
    world = World()
    world.sqs.refusals = [{"0": False}] * 3

    with pytest.raises(NotSent, match="1 of 1 messages"):
        world.upload("a.csv")

    assert world.calls.made == ["SendMessageBatch"] * 3


def test_a_message_refused_for_the_senders_fault_is_logged_and_not_sent_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    world.sqs.refusals = [{"1": True}]

    with pytest.raises(NotSent, match="1 of 2 messages"):
        world.upload("a.csv", "b.csv")

    assert len(world.sqs.batches) == 1
    (line,) = decisions(capsys)
    assert (line["decision"], line["why"]) == ("message not sent", "Refused")
    assert '"b.csv"' in line["body"]


def test_one_refused_message_does_not_hold_back_the_batches_after_it() -> None:
    world = World()
    world.sqs.refusals = [{"0": True}]

    with pytest.raises(NotSent):
        world.upload(*(f"{n}.csv" for n in range(11)))

    assert world.sqs.bodies[-1]["key"] == "10.csv"


def test_an_error_of_the_whole_call_makes_lambda_retry_the_event() -> None:
    world = World()
    error = client_error("ThrottlingException", operation="SendMessageBatch")
    world.calls.errors["SendMessageBatch"] = error

    with pytest.raises(type(error)):
        world.upload("a.csv")

    assert not world.ecs.tasks
