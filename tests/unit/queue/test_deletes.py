import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.queue import FakeQueue, ScriptedQueue
from tests.support.fakes.worker import Cloud
from worker.clock import now
from worker.errors import FatalError, LoopFailed, TransientError
from worker.job import Message
from worker.queue.deletes import LAST_FLUSH_SECONDS, LINGER_SECONDS, REMEMBERED, Deletes
from worker.queue.sqs import EntryResult

OK, REFUSED, FAILED = EntryResult.OK, EntryResult.REFUSED, EntryResult.FAILED


def received_again(message_id: str, handle: str = "newer") -> Message:
    return Message(message_id, handle, "{}", 2)


async def test_a_delete_waits_a_moment_for_others_to_share_its_batch() -> None:
    queue = ScriptedQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m0", "h0")
        await asyncio.sleep(LINGER_SECONDS / 2)
        deletes.add("m1", "h1")
        await asyncio.sleep(LINGER_SECONDS)
        assert queue.deletes == [["h0", "h1"]]


async def test_a_full_batch_is_deleted_at_once() -> None:
    queue = ScriptedQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(10):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(LINGER_SECONDS / 10)
        assert [len(handles) for handles in queue.deletes] == [10]


async def test_more_than_ten_deletes_are_sent_in_batches_of_ten() -> None:
    queue = ScriptedQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(23):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(1)
    assert [len(handles) for handles in queue.deletes] == [10, 10, 3]


class DistantQueue(ScriptedQueue):
    """Each call takes a second."""

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        await asyncio.sleep(1)
        return await super().delete(handles)


async def test_batches_that_fill_during_a_delete_are_deleted_side_by_side() -> None:
    deletes = Deletes(DistantQueue())
    async with deletes.flushed():
        for number in range(10):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(0.5)
        for number in range(10, 40):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(0.6)
        assert len(deletes) == 30
        await asyncio.sleep(1)
        assert len(deletes) == 0


async def test_after_a_failed_call_one_batch_goes_before_the_others() -> None:
    def result_of(_: str) -> EntryResult:
        if len(queue.deletes) <= 2:
            raise TransientError("throttled")
        return OK

    queue = ScriptedQueue(result_of)
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(10):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(LINGER_SECONDS / 2)
        for number in range(10, 40):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(10)
        assert len(deletes) == 0
    assert [len(set(queue.times[:at])) for at in (1, 2, 3, 6)] == [1, 2, 3, 3]


async def test_deletes_beyond_a_full_batch_wait_for_others() -> None:
    queue = ScriptedQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(13):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(LINGER_SECONDS / 2)
        for number in range(13, 20):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(LINGER_SECONDS / 10)
        assert [len(handles) for handles in queue.deletes] == [10, 10]


async def test_only_the_entries_that_failed_are_sent_again() -> None:
    queue = ScriptedQueue(
        lambda handle: FAILED if handle == "h1" and len(queue.deletes) == 1 else OK
    )
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m0", "h0")
        deletes.add("m1", "h1")
        await asyncio.sleep(5)
    assert queue.deletes == [["h0", "h1"], ["h1"]]


async def test_the_pause_after_failed_deletes_doubles_up_to_five_seconds() -> None:
    def fail(_: str) -> EntryResult:
        raise TransientError("throttled")

    queue = ScriptedQueue(fail)
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "h")
        await asyncio.sleep(60)
        queue.result_of = lambda _: OK
        await asyncio.sleep(10)
    assert queue.pauses()[:5] == pytest.approx([0.4, 0.8, 1.6, 3.2, 5.0])
    assert max(queue.pauses()) == pytest.approx(5.0)


async def test_a_successful_delete_resets_the_pause() -> None:
    def fail(_: str) -> EntryResult:
        raise TransientError("throttled")

    queue = ScriptedQueue(fail)
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m0", "h0")
        await asyncio.sleep(60)
        queue.result_of = lambda _: OK
        await asyncio.sleep(10)
        deletes.add("m1", "h1")
        added = now()
        await asyncio.sleep(10)
    assert queue.times[-1] == pytest.approx(added + LINGER_SECONDS)


async def test_a_message_received_again_before_its_delete_is_deleted_by_its_newer_handle() -> None:
    queue = ScriptedQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "older")
        assert deletes.settles(received_again("m"))
    assert queue.deletes == [["newer"]]


async def test_a_handle_received_during_the_delete_of_an_older_one_is_deleted_too() -> None:
    class SlowQueue(ScriptedQueue):
        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            results = await super().delete(handles)
            await asyncio.sleep(1)
            return results

    queue = SlowQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "older")
        await asyncio.sleep(LINGER_SECONDS + 0.5)
        assert deletes.settles(received_again("m"))
        await asyncio.sleep(5)
    assert queue.deletes == [["older"], ["newer"]]


@pytest.mark.parametrize("result", [OK, REFUSED])
async def test_a_message_received_again_after_its_delete_is_deleted_again(
    result: EntryResult,
) -> None:
    queue = ScriptedQueue(lambda _: result)
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "older")
        await asyncio.sleep(1)
        assert deletes.settles(received_again("m"))
        assert not deletes.settles(received_again("another"))
    assert queue.deletes == [["older"], ["newer"]]


async def test_the_oldest_of_too_many_remembered_deletes_is_forgotten_first() -> None:
    deletes = Deletes(ScriptedQueue())
    async with deletes.flushed():
        for number in range(REMEMBERED + 1):
            deletes.add(f"m{number}", f"h{number}")
        await asyncio.sleep(1)
        assert not deletes.settles(received_again("m0"))
        assert deletes.settles(received_again("m1"))
        assert deletes.settles(received_again(f"m{REMEMBERED}"))


async def test_waiting_deletes_are_sent_at_the_end_of_the_block() -> None:
    queue = ScriptedQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        deletes.add("m", "h")
    assert queue.deletes == [["h"]]
    assert now() < LINGER_SECONDS


async def test_deletes_that_hang_at_the_end_are_logged_and_not_waited_for(
    logs: LogCapture,
) -> None:
    class HangingQueue(FakeQueue):
        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            await asyncio.sleep(1000)
            return [OK] * len(handles)

    deletes = Deletes(HangingQueue())
    async with deletes.flushed():
        deletes.add("m0", "h0")
        deletes.add("m1", "h1")
    assert now() == pytest.approx(LAST_FLUSH_SECONDS)
    (line,) = logs.entries
    assert (line["event"], line["log_level"]) == ("messages not deleted", "warning")
    assert line["message_ids"] == ["m0", "m1"]


async def test_a_denied_delete_ends_the_block_and_logs_the_messages_not_deleted(
    logs: LogCapture,
) -> None:
    def deny(_: str) -> EntryResult:
        raise FatalError("access denied")

    deletes = Deletes(ScriptedQueue(deny))
    deletes.add("m", "h")
    with pytest.raises(ExceptionGroup) as error:
        async with deletes.flushed():
            await asyncio.sleep(1000)
    assert error.group_contains(FatalError, match="access denied")
    assert [line["message_ids"] for line in logs.entries] == [["m"]]


async def test_a_message_received_again_after_its_delete_is_not_predicted_again() -> None:
    class ForgetfulQueue(FakeQueue):
        """Confirms the first delete without deleting the message, as SQS may do."""

        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            if not self.calls_to("delete"):
                self.calls.append((now(), "delete", handles))
                return [OK] * len(handles)
            return await super().delete(handles)

    cloud = Cloud(queue=ForgetfulQueue())
    cloud.submit("a.csv")
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(20)
        assert cloud.queue.messages
        await asyncio.sleep(100)
    assert cloud.pool.predicted == [b"abc"]
    assert not cloud.queue.messages


async def test_full_batches_that_fail_pause_too() -> None:
    class ThrottledQueue(FakeQueue):
        async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
            self.calls.append((now(), "delete", handles))
            raise TransientError("throttled")

    queue = ThrottledQueue()
    deletes = Deletes(queue)
    async with deletes.flushed():
        for number in range(600):
            deletes.add(f"m{number}", f"h{number}")
            await asyncio.sleep(0.1)
        assert len(queue.calls) < 60


async def test_the_error_of_a_failed_delete_loop_names_the_loop(logs: LogCapture) -> None:
    cloud = Cloud()
    cloud.queue.before = raising(KeyError("delete"), on="delete")
    message_id = cloud.submit("a.csv")
    with pytest.raises(ExceptionGroup) as error:
        await cloud.run_worker(idle_seconds=-1)
    assert error.group_contains(LoopFailed, match="the delete loop failed")
    assert [line["message_ids"] for line in logs.entries if "not deleted" in line["event"]] == [
        [message_id]
    ]
