import asyncio
from collections.abc import Callable, Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.queue import FakeQueue, now
from tests.support.fakes.worker import Cloud
from worker.errors import FatalError, LoopFailed, TransientError
from worker.job import Message
from worker.queue.deletes import LAST_FLUSH_SECONDS, LINGER_SECONDS, REMEMBERED, Deletes
from worker.queue.sqs import EntryResult

OK, REFUSED, FAILED = EntryResult.OK, EntryResult.REFUSED, EntryResult.FAILED

Answer = Callable[[str], EntryResult]


class Answering(FakeQueue):
    """A queue that answers each delete as a test likes, and remembers who asked when."""

    def __init__(self, answer: Answer = lambda _: OK) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[list[str]] = []
        self.times: list[float] = []

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        self.asked.append(list(handles))
        self.times.append(now())
        return [self.answer(handle) for handle in handles]

    def pauses(self) -> list[float]:
        return [later - sooner for sooner, later in zip(self.times, self.times[1:], strict=False)]


def again(name: str, handle: str = "newer") -> Message:
    return Message(name, handle, "{}", 2)


async def test_deletes_wait_for_company_but_not_for_long() -> None:
    queue = Answering()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m0", "h0")
        await asyncio.sleep(LINGER_SECONDS / 2)
        deletes.add("m1", "h1")
        await asyncio.sleep(LINGER_SECONDS)
        assert queue.asked == [["h0", "h1"]]


async def test_ten_deletes_wait_for_nothing() -> None:
    queue = Answering()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(10):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(LINGER_SECONDS / 10)
        assert [len(handles) for handles in queue.asked] == [10]


async def test_more_than_ten_deletes_are_sent_in_batches_of_ten() -> None:
    queue = Answering()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(23):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(1)
    assert [len(handles) for handles in queue.asked] == [10, 10, 3]


async def test_what_is_left_of_a_full_batch_waits_for_company() -> None:
    queue = Answering()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(13):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(LINGER_SECONDS / 2)
        for number in range(13, 20):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(LINGER_SECONDS / 10)
        assert [len(handles) for handles in queue.asked] == [10, 10]


async def test_only_the_entries_that_failed_are_sent_again() -> None:
    queue = Answering(lambda handle: FAILED if handle == "h1" and len(queue.asked) == 1 else OK)
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m0", "h0")
        deletes.add("m1", "h1")
        await asyncio.sleep(5)
    assert queue.asked == [["h0", "h1"], ["h1"]]


async def test_deletes_that_fail_pause_longer_and_longer_up_to_five_seconds() -> None:
    def refuse(_: str) -> EntryResult:
        raise TransientError("throttled")

    queue = Answering(refuse)
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "h")
        await asyncio.sleep(60)
        queue.answer = lambda _: OK
        await asyncio.sleep(10)
    assert queue.pauses()[:5] == pytest.approx([0.4, 0.8, 1.6, 3.2, 5.0])
    assert max(queue.pauses()) == pytest.approx(5.0)


async def test_once_a_delete_succeeds_the_next_one_does_not_pause() -> None:
    def refuse(_: str) -> EntryResult:
        raise TransientError("throttled")

    queue = Answering(refuse)
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m0", "h0")
        await asyncio.sleep(60)
        queue.answer = lambda _: OK
        await asyncio.sleep(10)
        deletes.add("m1", "h1")
        added = now()
        await asyncio.sleep(10)
    assert queue.times[-1] == pytest.approx(added + LINGER_SECONDS)


async def test_a_message_that_waits_for_its_delete_is_deleted_by_its_newer_handle() -> None:
    queue = Answering()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "older")
        assert deletes.settles(again("m"))
    assert queue.asked == [["newer"]]


async def test_a_handle_that_came_during_the_delete_of_an_older_one_is_deleted_too() -> None:
    class Slow(Answering):
        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            results = await super().delete(handles)
            await asyncio.sleep(1)
            return results

    queue = Slow()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "older")
        await asyncio.sleep(LINGER_SECONDS + 0.5)
        assert deletes.settles(again("m"))
        await asyncio.sleep(5)
    assert queue.asked == [["older"], ["newer"]]


@pytest.mark.parametrize("result", [OK, REFUSED])
async def test_a_message_is_remembered_once_its_delete_is_answered(result: EntryResult) -> None:
    queue = Answering(lambda _: result)
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "older")
        await asyncio.sleep(1)
        assert deletes.settles(again("m"))
        assert not deletes.settles(again("another"))
    assert queue.asked == [["older"], ["newer"]]


async def test_the_memory_of_deleted_messages_is_bounded_and_the_oldest_go_first() -> None:
    deletes = Deletes(Answering())
    async with deletes.flushed():
        for number in range(REMEMBERED + 1):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(1)
        assert not deletes.settles(again("m0"))
        assert deletes.settles(again("m1"))
        assert deletes.settles(again(f"m{REMEMBERED}"))


async def test_at_the_end_what_waits_is_deleted_at_once() -> None:
    queue = Answering()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "h")
    assert queue.asked == [["h"]]
    assert now() < LINGER_SECONDS


async def test_what_cannot_be_deleted_at_the_end_is_named_and_not_waited_for(
    logs: LogCapture,
) -> None:
    class Hanging(FakeQueue):
        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            await asyncio.sleep(1000)
            return [OK] * len(handles)

    deletes = Deletes(Hanging())
    async with deletes.flushed():
        deletes.add("m0", "h0")
        deletes.add("m1", "h1")
    assert now() == pytest.approx(LAST_FLUSH_SECONDS)
    (line,) = logs.entries
    assert (line["event"], line["log_level"]) == ("messages not deleted", "warning")
    assert line["message_ids"] == ["m0", "m1"]


async def test_a_denied_delete_ends_the_block_and_names_what_is_left(logs: LogCapture) -> None:
    def deny(_: str) -> EntryResult:
        raise FatalError("access denied")

    deletes = Deletes(Answering(deny))
    deletes.add("m", "h")
    with pytest.raises(ExceptionGroup) as error:
        async with deletes.flushed():
            await asyncio.sleep(1000)
    assert error.group_contains(FatalError, match="access denied")
    assert [line["message_ids"] for line in logs.entries] == [["m"]]


async def test_a_message_that_comes_again_after_its_delete_is_not_predicted_again() -> None:
    class Forgetting(FakeQueue):
        """Answers that a message is deleted, once, without deleting it: SQS may."""

        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            if not self.named("delete"):
                self.calls.append((now(), "delete", handles))
                return [OK] * len(handles)
            return await super().delete(handles)

    cloud = Cloud(queue=Forgetting())
    cloud.submit("a.csv")
    async with cloud.working(idle_seconds=-1):
        await asyncio.sleep(20)
        assert cloud.queue.messages
        await asyncio.sleep(100)
    assert cloud.pool.scored == [b"abc"]
    assert not cloud.queue.messages


async def test_ten_deletes_that_fail_pause_as_one_does() -> None:
    class Throttled(FakeQueue):
        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            self.calls.append((now(), "delete", handles))
            raise TransientError("throttled")

    queue = Throttled()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(600):
            deletes.add(f"m{number}", f"h{number}")
            await asyncio.sleep(0.1)
        assert len(queue.calls) < 60


async def test_a_delete_loop_that_dies_for_good_is_named(logs: LogCapture) -> None:
    def dies(name: str, _: object) -> None:
        if name == "delete":
            raise KeyError(name)

    cloud = Cloud()
    cloud.queue.before = dies
    name = cloud.submit("a.csv")
    with pytest.raises(ExceptionGroup) as error:
        await cloud.work(idle_seconds=-1)
    assert error.group_contains(LoopFailed, match="the delete loop failed")
    assert [line["message_ids"] for line in logs.entries if "not deleted" in line["event"]] == [
        [name]
    ]
