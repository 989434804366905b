import pytest

from worker.job import Message
from worker.jobs.redrive import RedrivePolicy


def on_receive(count: int) -> Message:
    return Message("m", "h", "{}", count)


@pytest.mark.parametrize(
    ("policy", "suspect"),
    [(5, [4, 5]), (3, [2, 3]), (2, [2]), (1, [])],
)
def test_on_its_last_two_receives_but_never_on_its_first_a_message_is_suspect(
    policy: int, suspect: list[int]
) -> None:
    redrive = RedrivePolicy(policy)
    receives = range(1, policy + 1)
    assert [count for count in receives if redrive.runs_exclusively(on_receive(count))] == suspect


def test_without_a_policy_a_message_is_suspect_from_its_fourth_receive_on() -> None:
    receives = [1, 2, 3, 4, 5, 100]
    redrive = RedrivePolicy(None)
    assert [count for count in receives if redrive.runs_exclusively(on_receive(count))] == [
        4,
        5,
        100,
    ]


def test_the_last_receive_is_the_one_that_the_policy_names() -> None:
    assert [RedrivePolicy(3).is_last(on_receive(count)) for count in (1, 2, 3)] == [
        False,
        False,
        True,
    ]


def test_a_receive_beyond_the_policy_is_the_last_one_too() -> None:
    assert RedrivePolicy(3).is_last(on_receive(4))


def test_without_a_policy_no_receive_is_the_last() -> None:
    assert not RedrivePolicy(None).is_last(on_receive(1000))
