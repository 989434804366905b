import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.queue import FakeQueue, ScriptedQueue
from worker.errors import FatalError, TransientError
from worker.queue.sqs import EntryResult
from worker.queue.visibility import make_visible


def held_messages(count: int) -> list[tuple[str, str]]:
    return [(f"m{number}", f"h{number}") for number in range(count)]


async def test_messages_are_made_visible_in_batches_of_ten() -> None:
    queue = ScriptedQueue()
    await make_visible(queue, held_messages(23), 7)
    assert [len(changes) for changes in queue.changes] == [10, 10, 3]
    assert [change for changes in queue.changes for change in changes] == [
        (handle, 7) for _, handle in held_messages(23)
    ]


async def test_without_messages_no_call_is_made() -> None:
    queue = ScriptedQueue()
    await make_visible(queue, [], 0)
    assert queue.changes == []


async def test_only_the_entries_that_failed_are_sent_again() -> None:
    failing = ["h1", "h2", "h1"]

    def result_of(handle: str) -> EntryResult:
        if handle in failing:
            failing.remove(handle)
            return EntryResult.FAILED
        return EntryResult.OK

    queue = ScriptedQueue(result_of)
    await make_visible(queue, held_messages(4), 0)
    assert [[handle for handle, _ in changes] for changes in queue.changes] == [
        ["h0", "h1", "h2", "h3"],
        ["h1", "h2"],
        ["h1"],
    ]


async def test_a_failed_call_is_made_again() -> None:
    def result_of(_: str) -> EntryResult:
        if len(queue.changes) < 3:
            raise TransientError("throttled")
        return EntryResult.OK

    queue = ScriptedQueue(result_of)
    await make_visible(queue, held_messages(2), 0)
    assert [len(changes) for changes in queue.changes] == [2, 2, 2]


async def test_the_pauses_between_attempts_grow() -> None:
    queue = ScriptedQueue(lambda _: EntryResult.FAILED)
    await make_visible(queue, held_messages(1), 0)
    pauses = queue.pauses()
    assert pauses == sorted(pauses)
    assert pauses[-1] > 4 * pauses[0]


async def test_a_refused_entry_is_not_sent_again(logs: LogCapture) -> None:
    queue = ScriptedQueue(lambda _: EntryResult.REFUSED)
    await make_visible(queue, held_messages(1), 0)
    assert len(queue.changes) == 1
    assert logs.entries == []


async def test_messages_that_keep_failing_are_logged(logs: LogCapture) -> None:
    def result_of(handle: str) -> EntryResult:
        return EntryResult.FAILED if handle == "h1" else EntryResult.OK

    await make_visible(ScriptedQueue(result_of), held_messages(3), 0)
    (line,) = logs.entries
    assert line["event"] == "messages left to their visibility timeout"
    assert line["message_ids"] == ["m1"]


async def test_messages_whose_call_is_cancelled_are_logged(logs: LogCapture) -> None:
    class HangingQueue(FakeQueue):
        async def change_visibility(self, _: Sequence[tuple[str, int]]) -> list[EntryResult]:
            await asyncio.sleep(1000)
            return []

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await make_visible(HangingQueue(), held_messages(2), 0)
    (line,) = logs.entries
    assert line["message_ids"] == ["m0", "m1"]


async def test_a_denied_batch_does_not_prevent_the_other_batches() -> None:
    made_visible: list[str] = []

    class DenyingQueue(FakeQueue):
        async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
            if ("h0", 0) in changes:
                raise FatalError("access denied")
            await asyncio.sleep(1)
            made_visible.extend(handle for handle, _ in changes)
            return [EntryResult.OK] * len(changes)

    with pytest.raises(FatalError):
        await make_visible(DenyingQueue(), held_messages(15), 0)
    assert made_visible == [handle for _, handle in held_messages(15)[10:]]
