"""The dispatcher begins no call to AWS that may outlast its invocation."""

from dataclasses import dataclass
from typing import Any

import pytest

from dispatcher import handler as function
from dispatcher.handler import CALL_ATTEMPTS, CALL_SECONDS, OutOfTime, is_transient
from tests.support.fakes.dispatcher import ENVIRONMENT, World, decisions
from tests.support.template import properties

PAUSE_SECONDS = (1, 2, 4)  # the SDK's longest pauses between its attempts


@dataclass
class Invocation:
    """Lambda's context object, with so many seconds left."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - two types of clients
    """The dispatcher's real clients, which ask nobody."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    function._dispatcher.cache_clear()
    dispatcher = function._dispatcher()
    function._dispatcher.cache_clear()
    return dispatcher.sqs, dispatcher.fleet.ecs


def test_a_call_takes_no_longer_than_its_attempts_and_the_pauses_between_them(clients: Any) -> None:  # noqa: ANN401
    for client in clients:
        config = client.meta.config
        assert config.retries == {"mode": "standard", "total_max_attempts": CALL_ATTEMPTS}
        attempts = CALL_ATTEMPTS * (config.connect_timeout + config.read_timeout)
        assert attempts + sum(PAUSE_SECONDS[: CALL_ATTEMPTS - 1]) <= CALL_SECONDS


def test_the_fleet_is_looked_at_even_if_the_messages_took_as_long_as_they_may() -> None:
    assert properties("Dispatcher")["Timeout"] >= 2 * CALL_SECONDS


def test_no_call_of_either_client_is_begun_if_it_may_outlast_the_invocation(clients: Any) -> None:  # noqa: ANN401
    sqs, ecs = clients
    calls = [
        lambda: sqs.get_queue_attributes(QueueUrl="q"),
        ecs.list_tasks,
        lambda: list(ecs.get_paginator("list_tasks").paginate()),
    ]
    function._invocation.set(Invocation(CALL_SECONDS - 1))
    try:
        for call in calls:
            with pytest.raises(OutOfTime, match="26 s of the invocation are left") as error:
                call()
            assert is_transient(error.value)
    finally:
        function._invocation.set(None)


def test_a_look_at_the_fleet_without_the_time_for_it_is_postponed_and_the_event_succeeds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World()
    world.calls.errors["ListTasks"] = OutOfTime(left=9, call=CALL_SECONDS)

    world.upload("a.csv")

    assert [body["key"] for body in world.sqs.bodies] == ["a.csv"]
    *_, last = decisions(capsys)
    assert last == {
        "decision": "fleet check postponed",
        "why": f"9 s of the invocation are left, and a call may take {CALL_SECONDS} s",
    }


def test_messages_without_the_time_to_send_them_fail_the_event() -> None:
    world = World()
    world.calls.errors["SendMessageBatch"] = OutOfTime(left=9, call=CALL_SECONDS)

    with pytest.raises(OutOfTime):
        world.upload("a.csv")
