import pytest

from tests.support.fakes.queue import FakeQueue
from worker.queue.sqs import RedrivePolicy


@pytest.mark.parametrize(
    ("policy", "exclusive"),
    [(5, [4, 5]), (3, [2, 3]), (2, [2]), (1, [])],
)
def test_the_last_two_receives_but_never_the_first_are_exclusive(
    policy: int, exclusive: list[int]
) -> None:
    redrive = RedrivePolicy(policy)
    receives = range(1, policy + 1)
    assert [count for count in receives if redrive.is_exclusive(count)] == exclusive


def test_without_a_policy_the_fourth_receive_and_those_after_it_are_exclusive() -> None:
    receives = [1, 2, 3, 4, 5, 100]
    redrive = RedrivePolicy(None)
    assert [count for count in receives if redrive.is_exclusive(count)] == [4, 5, 100]


def test_the_receive_with_the_policys_count_is_the_last() -> None:
    assert [RedrivePolicy(3).is_last(count) for count in (1, 2, 3)] == [False, False, True]


def test_a_receive_beyond_the_policys_count_is_the_last_too() -> None:
    assert RedrivePolicy(3).is_last(4)


def test_without_a_policy_no_receive_is_the_last() -> None:
    assert not RedrivePolicy(None).is_last(1000)


async def test_a_received_message_carries_the_decisions_of_the_redrive_policy() -> None:
    queue = FakeQueue(max_receive_count=3)
    await queue.read_attributes()
    queue.send("{}")
    decided = []
    for _ in range(3):
        (message,) = await queue.receive(10, 1)
        decided.append((message.exclusive, message.last_receive))
        await queue.change_visibility([(message.receipt_handle, 0)])
    assert decided == [(False, False), (True, False), (True, True)]
