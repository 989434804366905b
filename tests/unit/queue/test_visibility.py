import asyncio
from collections.abc import Callable, Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.queue import FakeQueue, now
from worker.errors import FatalError, TransientError
from worker.queue.sqs import EntryResult
from worker.queue.visibility import make_visible

Answer = Callable[[str], EntryResult]


class Answering(FakeQueue):
    """A queue that answers each handle as a test likes, and remembers who asked when."""

    def __init__(self, answer: Answer = lambda _: EntryResult.OK) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[Sequence[tuple[str, int]]] = []
        self.times: list[float] = []

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        self.asked.append(changes)
        self.times.append(now())
        return [self.answer(handle) for handle, _ in changes]


def entries(count: int) -> list[tuple[str, str]]:
    return [(f"m{number}", f"h{number}") for number in range(count)]


async def test_messages_are_made_visible_in_batches_of_ten() -> None:
    queue = Answering()
    await make_visible(queue, entries(23), 7)
    assert [len(changes) for changes in queue.asked] == [10, 10, 3]
    assert [change for changes in queue.asked for change in changes] == [
        (handle, 7) for _, handle in entries(23)
    ]


async def test_no_messages_are_no_call() -> None:
    queue = Answering()
    await make_visible(queue, [], 0)
    assert queue.asked == []


async def test_entries_that_fail_are_asked_again_and_only_those() -> None:
    failing = ["h1", "h2", "h1"]

    def answer(handle: str) -> EntryResult:
        if handle in failing:
            failing.remove(handle)
            return EntryResult.FAILED
        return EntryResult.OK

    queue = Answering(answer)
    await make_visible(queue, entries(4), 0)
    assert [[handle for handle, _ in changes] for changes in queue.asked] == [
        ["h0", "h1", "h2", "h3"],
        ["h1", "h2"],
        ["h1"],
    ]


async def test_a_call_that_fails_is_made_again() -> None:
    def answer(_: str) -> EntryResult:
        if len(queue.asked) < 3:
            raise TransientError("throttled")
        return EntryResult.OK

    queue = Answering(answer)
    await make_visible(queue, entries(2), 0)
    assert [len(changes) for changes in queue.asked] == [2, 2, 2]


async def test_calls_are_made_again_after_pauses_that_grow() -> None:
    queue = Answering(lambda _: EntryResult.FAILED)
    await make_visible(queue, entries(1), 0)
    pauses = [later - sooner for sooner, later in zip(queue.times, queue.times[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]


async def test_a_refused_entry_is_not_asked_again(logs: LogCapture) -> None:
    queue = Answering(lambda _: EntryResult.REFUSED)
    await make_visible(queue, entries(1), 0)
    assert len(queue.asked) == 1
    assert logs.entries == []


async def test_messages_that_fail_again_and_again_are_named(logs: LogCapture) -> None:
    def answer(handle: str) -> EntryResult:
        return EntryResult.FAILED if handle == "h1" else EntryResult.OK

    await make_visible(Answering(answer), entries(3), 0)
    (line,) = logs.entries
    assert line["event"] == "messages left to their visibility timeout"
    assert line["message_ids"] == ["m1"]


async def test_messages_whose_call_is_cut_off_are_named(logs: LogCapture) -> None:
    class Hanging(FakeQueue):
        async def change_visibility(self, _: Sequence[tuple[str, int]]) -> list[EntryResult]:
            await asyncio.sleep(1000)
            return []

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await make_visible(Hanging(), entries(2), 0)
    (line,) = logs.entries
    assert line["message_ids"] == ["m0", "m1"]


async def test_a_batch_that_is_denied_keeps_none_of_the_others() -> None:
    made_visible: list[str] = []

    class Denying(FakeQueue):
        async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
            if ("h0", 0) in changes:
                raise FatalError("access denied")
            await asyncio.sleep(1)
            made_visible.extend(handle for handle, _ in changes)
            return [EntryResult.OK] * len(changes)

    with pytest.raises(FatalError):
        await make_visible(Denying(), entries(15), 0)
    assert made_visible == [handle for _, handle in entries(15)[10:]]
