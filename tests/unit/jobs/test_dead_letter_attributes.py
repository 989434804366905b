"""The reason of a dead letter fits into the message, whatever the body leaves."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.simulation.requests import check_message
from worker.jobs.dead_letter_attributes import LEAST_BYTES, fitting_attributes

REASON = "line 3: column 'x' is 'three', not a number; " * 20
ATTRIBUTES = {
    "error_type": "TooManyRejected",
    "error_message": REASON,
    "receive_count": "1",
    "source_queue": "tidegate-jobs",
    "source_message_id": "059f36b4-87a3-44ab-83d2-661975830a7d",
}


def size(attributes: dict[str, str]) -> int:
    return sum(len(f"{name}String{text}".encode()) for name, text in attributes.items())


def test_attributes_that_fit_are_left_as_they_are() -> None:
    assert fitting_attributes(ATTRIBUTES, size(ATTRIBUTES)) == ATTRIBUTES


def test_the_reason_is_shortened_to_exactly_the_room() -> None:
    fitting = fitting_attributes(ATTRIBUTES, size(ATTRIBUTES) - 500)
    assert fitting == ATTRIBUTES | {"error_message": REASON[: len(REASON) - 500]}
    assert size(fitting) == size(ATTRIBUTES) - 500


def test_the_last_attributes_are_left_out_before_the_reason_is_too_short_to_read() -> None:
    fitting = fitting_attributes(ATTRIBUTES, 130)
    assert list(fitting) == ["error_type", "error_message", "receive_count"]
    assert len(fitting["error_message"]) >= LEAST_BYTES


def test_without_room_there_are_no_attributes() -> None:
    for room in (10, 0, -1000):
        assert fitting_attributes(ATTRIBUTES, room) == {}


@given(
    st.dictionaries(st.text("abc_", min_size=1), st.text(), max_size=10),
    st.text("ab", min_size=1, max_size=200),
    st.integers(0, 6000),
)
def test_sqs_takes_the_message_whatever_the_texts_and_the_room(
    attributes: dict[str, str], body: str, room: int
) -> None:
    fitting = fitting_attributes(attributes, room)
    sent = {name: {"DataType": "String", "StringValue": one} for name, one in fitting.items()}
    check_message(body, sent, len(body) + room)
    assert list(fitting) == list(attributes)[: len(fitting)]
