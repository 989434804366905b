"""What is sent to EventBridge, and how its answers are read."""

from typing import Any

import pytest

from worker.errors import TransientError
from worker.events.bus import Event, EventBus


class Client:
    """EventBridge with one answer."""

    def __init__(self, **answer: object) -> None:
        self.answer = answer
        self.entries: list[dict[str, str]] = []

    async def put_events(self, **request: Any) -> dict[str, object]:  # noqa: ANN401 - boto's
        self.entries += request["Entries"]
        return self.answer


async def test_an_event_is_sent_under_tidegates_name_as_ascii() -> None:
    client = Client(Entries=[{"EventId": "1"}])
    event = Event.of("File Predicted", {"key": "größe\ud800\n"})
    assert await EventBus("default", client).put_events([event]) == [None]
    (entry,) = client.entries
    assert entry == {
        "Source": "tidegate",
        "DetailType": "File Predicted",
        "Detail": '{"key": "gr\\u00f6\\u00dfe\\ud800\\n"}',
        "EventBusName": "default",
    }


async def test_each_entry_has_its_own_error() -> None:
    answer = [{"EventId": "1"}, {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}, {}]
    found = await EventBus("b", Client(Entries=answer)).put_events([Event("t", "{}")] * 3)
    assert found == [None, "ThrottlingException: slow", "no event id"]


@pytest.mark.parametrize("answer", [{}, {"Entries": []}])
async def test_an_entry_without_an_answer_has_not_been_taken(answer: dict[str, object]) -> None:
    found = await EventBus("b", Client(**answer)).put_events([Event("t", "{}")])
    assert found == ["NoAnswer"]


async def test_more_answers_than_events_do_no_harm() -> None:
    answer = [{"EventId": "1"}, {"EventId": "2"}]
    assert await EventBus("b", Client(Entries=answer)).put_events([Event("t", "{}")]) == [None]


async def test_an_error_of_the_call_names_the_bus() -> None:
    class Broken(Client):
        async def put_events(self, **_: Any) -> dict[str, object]:  # noqa: ANN401 - boto's
            raise OSError("reset")

    with pytest.raises(TransientError, match=r"^sending events to b: OSError: reset"):
        await EventBus("b", Broken()).put_events([Event("t", "{}")])
