import pytest

from worker.errors import Unparsable
from worker.formats.memory import InputMemory
from worker.interfaces import ScoreOptions

MIB = 2**20


def memory(asked: list[int], *, reserved: int, limit: int) -> InputMemory:
    options = ScoreOptions(reserved_bytes=reserved * MIB, memory_bytes=limit * MIB)
    return InputMemory(asked.append, options)


def test_what_is_reserved_for_the_job_is_not_asked_for_again() -> None:
    asked: list[int] = []
    input_memory = memory(asked, reserved=20, limit=512)
    input_memory.hold(20 * MIB)
    input_memory.reserve(20 * MIB)
    assert asked == []


def test_a_batch_that_grows_asks_for_twice_as_much_and_then_not_until_it_is_used() -> None:
    asked: list[int] = []
    input_memory = memory(asked, reserved=20, limit=512)
    for size in range(0, 80 * MIB, MIB // 4):
        input_memory.hold(size)
    quarter = MIB // 4
    assert asked == [2 * (20 * MIB + quarter), 2 * (2 * (20 * MIB + quarter) + quarter)]


def test_no_more_is_asked_for_than_is_allowed() -> None:
    asked: list[int] = []
    input_memory = memory(asked, reserved=20, limit=24)
    input_memory.hold(21 * MIB)
    input_memory.hold(24 * MIB)
    assert asked == [24 * MIB]
    with pytest.raises(Unparsable, match="than the 24 MiB that WORKER_MEMORY_MB allows"):
        input_memory.hold(24 * MIB + 1)


def test_a_job_with_more_reserved_than_is_allowed_uses_what_is_allowed() -> None:
    asked: list[int] = []
    input_memory = memory(asked, reserved=20, limit=4)
    input_memory.hold(4 * MIB)
    with pytest.raises(Unparsable, match="than the 4 MiB that WORKER_MEMORY_MB allows"):
        input_memory.hold(4 * MIB + 1)
    assert asked == []


def test_a_part_of_known_size_asks_for_no_more_than_that() -> None:
    asked: list[int] = []
    input_memory = memory(asked, reserved=20, limit=512)
    input_memory.reserve(30 * MIB)
    input_memory.reserve(30 * MIB)
    assert asked == [30 * MIB]
