import asyncio
import json
from collections.abc import Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.clock import VirtualLoop
from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue, now
from tests.support.fakes.worker import INPUT, OUTPUT, Cloud, body, output, report
from worker.errors import FatalError, LoopFailed, ProcessLost, TransientError, Unparsable
from worker.job import Message, S3Uri
from worker.lifecycle.stop import Stop
from worker.queue.sqs import EntryResult


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


async def test_every_message_in_the_queue_is_predicted_and_deleted(cloud: Cloud) -> None:
    for number in range(100):
        cloud.submit(f"{number}.csv", b"content %d" % number)
    stop = await cloud.work()
    assert stop.reason == "idle"
    assert not cloud.queue.messages
    assert cloud.outputs() == {f"p/{n}.csv": b"CONTENT %d" % n for n in range(100)}


async def test_the_worker_leaves_after_its_idle_time_and_not_before(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    await cloud.work(idle_seconds=60)
    assert 60 <= now() < 62


async def test_idle_zero_drains_and_exits(cloud: Cloud) -> None:
    for number in range(50):
        cloud.submit(f"{number}.csv")
    await cloud.work(idle_seconds=0)
    assert not cloud.queue.messages
    assert now() < 5


async def test_polls_that_do_not_wait_are_not_repeated_at_once(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    await cloud.work(wait_seconds=0, idle_seconds=60)
    assert cloud.outputs()
    assert len(cloud.queue.named("receive")) < 70


async def test_a_worker_that_is_never_idle_stays(cloud: Cloud) -> None:
    async with cloud.working(idle_seconds=-1) as stop:
        await asyncio.sleep(10_000)
        assert stop.reason is None


async def test_a_worker_with_a_job_in_hand_is_not_idle(cloud: Cloud) -> None:
    cloud.submit("long.csv", b"500")
    await cloud.work(idle_seconds=0)
    assert cloud.outputs() == {"p/long.csv": b"500"}


async def test_one_poll_when_idle_and_more_when_messages_come(cloud: Cloud) -> None:
    under_way = most = 0

    class Counting(FakeQueue):
        async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            try:
                return await super().receive(limit, wait_seconds)
            finally:
                under_way -= 1

    cloud.queue = Counting()
    async with cloud.working(consumers=3, idle_seconds=-1):
        await asyncio.sleep(200)
        assert most == 1
        for number in range(300):
            cloud.submit(f"{number}.csv")
        await asyncio.sleep(10)
        assert most == 3


async def test_no_more_messages_are_taken_than_there_are_slots(cloud: Cloud) -> None:
    for number in range(100):
        cloud.submit(f"{number}.csv", b"1000")
    async with cloud.working(concurrency=4, idle_seconds=-1):
        await asyncio.sleep(100)
        assert len(cloud.queue.visible()) == 100 - 2 * 4
        assert cloud.pool.most_running == 4


async def test_a_job_longer_than_the_visibility_timeout_runs_once(cloud: Cloud) -> None:
    cloud.submit("long.csv", b"1000")
    async with cloud.working(idle_seconds=-1), cloud.working(idle_seconds=-1):
        await asyncio.sleep(1100)
    assert cloud.pool.scored == [b"1000"]
    assert cloud.outputs() == {"p/long.csv": b"1000"}


async def test_a_buffered_message_does_not_expire(cloud: Cloud) -> None:
    for number in range(4):
        cloud.submit(f"{number}.csv", b"100")
    async with cloud.working(concurrency=2, idle_seconds=-1):
        await asyncio.sleep(250)
    assert len(cloud.pool.scored) == 4
    assert {stored.receives for stored in cloud.queue.messages.values()} <= {1}


async def test_a_stop_finishes_what_is_started_and_gives_back_the_rest(cloud: Cloud) -> None:
    for number in range(6):
        cloud.submit(f"{number}.csv", b"60")
    async with cloud.working(concurrency=2, idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        stop.request("SIGTERM")
        await asyncio.sleep(80)
    assert len(cloud.outputs()) == 2
    assert len(cloud.queue.visible()) == len(cloud.queue.messages) == 4


async def test_at_the_drain_deadline_what_is_unfinished_is_given_back(cloud: Cloud) -> None:
    cloud.submit("long.csv", b"1000")
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(cloud.work(stop, idle_seconds=-1, drain_seconds=50))
        await asyncio.sleep(5)
        stop.request("SIGTERM")
        started = now()
        await worker
    assert now() - started <= 50
    assert len(cloud.queue.visible()) == 1
    assert cloud.outputs() == {}


async def test_messages_of_a_poll_under_way_at_the_stop_are_given_back(cloud: Cloud) -> None:
    async with cloud.working(idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        stop.request("SIGTERM")
        cloud.submit("late.csv")
        await asyncio.sleep(1)
        assert len(cloud.queue.visible()) == 1
    assert cloud.outputs() == {}


async def test_deletes_gathered_at_the_stop_are_still_sent(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"10")
    async with cloud.working(idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        stop.request("SIGTERM")
    assert not cloud.queue.messages


async def test_a_failed_delete_is_tried_again(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    cloud.queue.fail_entries = 2
    await cloud.work()
    assert not cloud.queue.messages


async def test_a_message_whose_delete_is_lost_is_not_predicted_twice(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def lose(name: str, _: object) -> None:
        if name == "delete" and now() < 100:
            raise TransientError("no network")

    cloud.queue.before = lose
    async with cloud.working(idle_seconds=-1):
        await asyncio.sleep(200)
    assert cloud.pool.scored == [b"abc"]
    assert not cloud.queue.messages


async def test_a_passing_fault_comes_back_after_a_backoff(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def flaky(_: bytes) -> None:
        if len(cloud.queue.named("receive")) < 3:
            raise ProcessLost("killed")

    cloud.pool.before = flaky
    await cloud.work(idle_seconds=120)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


async def test_an_error_nobody_foresaw_is_tried_again(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def flaky(_: bytes) -> None:
        if len(cloud.queue.named("receive")) < 2:
            raise ZeroDivisionError

    cloud.pool.before = flaky
    await cloud.work(idle_seconds=120)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


async def test_backoffs_grow_and_stay_below_fifteen_minutes(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def broken(_: bytes) -> None:
        raise TransientError("throttled")

    cloud.pool.before = broken
    async with cloud.working(idle_seconds=-1):
        await asyncio.sleep(20_000)
    waits = [changes[0][1] for changes in cloud.queue.named("change_visibility")]  # type: ignore[index]
    assert len(waits) > 20
    assert max(waits[:1]) <= 30
    assert 300 < max(waits) <= 900


async def test_the_last_receive_the_policy_allows_ends_in_the_dead_letter_queue_with_its_reason(
    cloud: Cloud,
) -> None:
    cloud.queue = FakeQueue(max_receive_count=3)
    cloud.submit("a.csv")

    def broken(_: bytes) -> None:
        raise TransientError("throttled")

    cloud.pool.before = broken
    await cloud.work(idle_seconds=300)
    ((dead, reasons),) = cloud.queue.dead
    assert dead == body("a.csv")
    assert reasons["error_type"] == "GaveUp"
    assert "3 receives: throttled" in reasons["error_message"]
    assert reasons["receive_count"] == "3"
    assert json.loads(cloud.outputs()["p/_failed/a.csv.json"])["permanent"] is False
    assert not cloud.queue.messages


async def test_a_permanent_failure_is_reported_dead_lettered_and_deleted(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def broken(_: bytes) -> None:
        raise Unparsable("line 3: nonsense")

    cloud.pool.before = broken
    await cloud.work()
    told = json.loads(cloud.storage.body(report("a.csv")))
    assert (told["error_type"], told["message"]) == ("Unparsable", "line 3: nonsense")
    assert told["job"]["key"] == "a.csv"
    assert told["permanent"] is True
    ((_, reasons),) = cloud.queue.dead
    assert reasons["error_message"] == "line 3: nonsense"
    assert not cloud.queue.messages


async def test_an_unreadable_message_is_dead_lettered_as_it_is(cloud: Cloud) -> None:
    cloud.queue.send("nonsense")
    await cloud.work()
    ((dead, reasons),) = cloud.queue.dead
    assert dead == "nonsense"
    assert reasons["error_type"] == "UnreadableBody"
    assert not cloud.queue.messages


async def test_an_unreadable_message_without_a_dead_letter_queue_is_kept(cloud: Cloud) -> None:
    cloud.queue = FakeQueue(max_receive_count=None)
    cloud.queue.send("nonsense")
    await cloud.work()
    assert len(cloud.queue.messages) == 1


async def test_reasons_hold_nothing_that_sqs_refuses(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def broken(_: bytes) -> None:
        raise Unparsable("\x00\x1b[31m" + "x" * 5000)

    cloud.pool.before = broken
    await cloud.work()
    ((_, reasons),) = cloud.queue.dead
    assert reasons["error_message"].startswith("??[31mxxx")
    assert len(reasons) <= 10
    assert all(0 < len(value) <= 1000 for value in reasons.values())


async def test_a_rejection_that_cannot_be_dead_lettered_is_tried_again(cloud: Cloud) -> None:
    cloud.queue.send("nonsense")

    def refuse(name: str, _: object) -> None:
        if name == "dead_letter" and len(cloud.queue.named("dead_letter")) < 3:
            raise TransientError("throttled")

    cloud.queue.before = refuse
    await cloud.work(idle_seconds=300)
    assert len(cloud.queue.dead) == 1
    assert not cloud.queue.messages


async def test_a_missing_input_is_a_permanent_failure(cloud: Cloud) -> None:
    cloud.queue.send(body("gone.csv"))
    await cloud.work()
    assert json.loads(cloud.storage.body(report("gone.csv")))["error_type"] == "NoSuchInput"


async def test_a_lost_lease_leaves_no_trace(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"100")
    async with cloud.working(idle_seconds=-1):
        await asyncio.sleep(5)
        cloud.queue.messages.clear()
        await asyncio.sleep(200)
    assert cloud.outputs() == {}
    assert cloud.queue.named("delete") == []


async def test_a_slow_job_is_given_up_for_now(cloud: Cloud) -> None:
    cloud.queue = FakeQueue(max_receive_count=2)
    cloud.submit("slow.csv", b"100")
    await cloud.work(job_seconds=50, idle_seconds=120)
    ((_, reasons),) = cloud.queue.dead
    assert "WORKER_JOB_SECONDS (50)" in reasons["error_message"]


async def test_an_input_overwritten_since_is_left_to_its_own_event(cloud: Cloud) -> None:
    cloud.storage.versioning = None
    old = cloud.storage.add(S3Uri(INPUT, "a.csv"), b"old")
    cloud.queue.send(body("a.csv", etag=old.etag, sequencer="01"))
    cloud.storage.add(S3Uri(INPUT, "a.csv"), b"new")
    await cloud.work()
    assert cloud.outputs() == {}
    assert not cloud.queue.messages


async def test_an_input_overwritten_without_a_known_order_is_predicted_as_it_is_now(
    cloud: Cloud,
) -> None:
    cloud.storage.versioning = None
    old = cloud.storage.add(S3Uri(INPUT, "a.csv"), b"old")
    cloud.queue.send(body("a.csv", etag=old.etag))
    cloud.storage.add(S3Uri(INPUT, "a.csv"), b"new")
    await cloud.work()
    assert cloud.outputs() == {"p/a.csv": b"NEW"}


async def test_after_a_replacement_the_input_is_looked_at_once_more(cloud: Cloud) -> None:
    place = S3Uri(INPUT, "a.csv")
    first = cloud.storage.add(place, b"first")
    cloud.queue.send(body("a.csv", version_id=first.version_id, sequencer="01"))
    await cloud.work()
    second = cloud.storage.add(place, b"second")
    cloud.queue.send(body("a.csv", version_id=second.version_id, sequencer="02"))
    cloud.storage.add(place, b"third")
    await cloud.work()
    assert cloud.storage.body(output("a.csv")) == b"THIRD"


async def test_an_output_that_is_its_own_input_is_refused(cloud: Cloud) -> None:
    cloud.storage.add(S3Uri("same", "p/a.csv"), b"abc")
    job = {"bucket": "same", "key": "p/a.csv", "output_bucket": "same", "output_key": "p"}
    cloud.queue.send(json.dumps(job))
    await cloud.work(output_template="{key}")
    assert cloud.storage.body(S3Uri("same", "p/a.csv")) == b"abc"
    assert cloud.queue.dead[0][1]["error_type"] == "OutputRefused"


async def test_outputs_say_what_they_were_made_from(cloud: Cloud) -> None:
    head = cloud.storage.add(S3Uri(INPUT, "a.csv"), b"abc")
    cloud.queue.send(body("a.csv", version_id=head.version_id, sequencer="0A"))
    await cloud.work()
    told = cloud.storage.metadata(output("a.csv"))
    assert told["source-etag"] == head.etag
    assert told["source-version-id"] == head.version_id
    assert told["source-sequencer"] == "0A"
    assert told["model-sha256"] == "0" * 64
    assert (told["rows"], told["rejected"]) == ("1", "0")


async def test_a_job_is_logged_once_with_everything(cloud: Cloud, logs: LogCapture) -> None:
    cloud.submit("a.csv")
    await cloud.work()
    (entry,) = [entry for entry in logs.entries if entry.get("input")]
    assert entry["event"] == "job done"
    assert entry["input"] == f"s3://{INPUT}/a.csv"
    assert entry["output"] == f"s3://{OUTPUT}/p/a.csv"
    assert (entry["rows"], entry["rejected"], entry["status"]) == (1, 0, "predicted")
    assert (entry["model"], entry["model_sha256"]) == ("m", "0" * 64)
    assert entry["etag"] == cloud.storage.versions[S3Uri(INPUT, "a.csv")][-1].etag


async def test_an_output_that_was_there_is_not_said_to_be_of_this_model(
    cloud: Cloud, logs: LogCapture
) -> None:
    cloud.submit("a.csv")
    cloud.queue.send(body("a.csv"))
    await cloud.work()
    told = {entry["status"]: entry for entry in logs.entries if entry["event"] == "job done"}
    assert told["predicted"]["model_sha256"] == "0" * 64
    assert not {"model", "model_sha256"} & told["already done"].keys()


async def test_failing_receives_are_borne_for_a_while(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def unreachable(name: str, _: object) -> None:
        if name == "receive" and now() < 100:
            raise TransientError("no network")

    cloud.queue.before = unreachable
    await cloud.work()
    assert not cloud.queue.messages


async def test_receives_that_fail_for_long_end_the_worker(cloud: Cloud) -> None:
    def unreachable(name: str, _: object) -> None:
        if name == "receive":
            raise TransientError("no network")

    cloud.queue.before = unreachable
    with pytest.raises(ExceptionGroup) as error:
        await cloud.work(idle_seconds=-1)
    assert error.group_contains(FatalError, match="no network")


async def test_a_fatal_error_gives_back_everything_in_hand(cloud: Cloud) -> None:
    for number in range(5):
        cloud.submit(f"{number}.csv", b"100")

    def denied(name: str, _: object) -> None:
        if name == "receive" and now() > 5:
            raise FatalError("access denied")

    cloud.queue.before = denied
    with pytest.raises(ExceptionGroup) as error:
        await cloud.work(concurrency=4, idle_seconds=-1)
    assert error.group_contains(FatalError)
    assert len(cloud.queue.visible()) == 5


async def test_bytes_in_hand_stay_within_the_budget(cloud: Cloud) -> None:
    for number in range(4):
        cloud.submit(f"{number}.csv", b"10", size=600 << 10)
    async with cloud.working(memory_mb=1, idle_seconds=-1):
        await asyncio.sleep(100)
    assert cloud.pool.most_running == 1
    assert len(cloud.outputs()) == 4


class Late(FakeQueue):
    """The answer to the first poll takes so many seconds to arrive."""

    def __init__(self, seconds: float) -> None:
        super().__init__(visibility_seconds=30)
        self.seconds = seconds

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        messages = await super().receive(limit, wait_seconds)
        seconds, self.seconds = self.seconds, 0
        await asyncio.sleep(seconds)
        return messages


@pytest.mark.parametrize(("seconds", "confirmations"), [(20.5, 0), (22, 1)])
async def test_an_answer_later_than_a_poll_can_take_counts_from_its_request(
    seconds: float, confirmations: int
) -> None:
    cloud = Cloud(queue=Late(seconds))
    cloud.submit("a.csv")
    await cloud.work(wait_seconds=20)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}
    assert len(cloud.queue.named("change_visibility")) == confirmations


async def test_an_answer_later_than_the_visibility_timeout_starts_nothing(
    logs: LogCapture,
) -> None:
    cloud = Cloud(queue=Late(35))
    cloud.submit("a.csv")
    await cloud.work(wait_seconds=20)
    assert cloud.pool.scored == [b"abc"]
    abandoned, done = (line for line in logs.entries if line["event"].startswith("job"))
    assert (abandoned["event"], abandoned["receive_count"]) == ("job abandoned, lease lost", 1)
    assert (done["event"], done["receive_count"]) == ("job done", 2)


async def test_a_buffered_message_that_sqs_has_forgotten_is_not_started(cloud: Cloud) -> None:
    cloud.submit("first.csv", b"5")
    forgotten = cloud.submit("second.csv")
    async with cloud.working(concurrency=1, idle_seconds=-1):
        await asyncio.sleep(3)
        del cloud.queue.messages[forgotten]
        await asyncio.sleep(60)
    assert cloud.outputs() == {"p/first.csv": b"5"}
    assert ("get", S3Uri(INPUT, "second.csv")) not in cloud.storage.calls


async def _fails(cloud: Cloud, stop: Stop, **changes: object) -> BaseException:
    """Run a worker to its bad end."""
    with pytest.raises(ExceptionGroup) as error:
        await cloud.work(stop, idle_seconds=-1, **changes)
    return error.value


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


class Short(FakeQueue):
    """Its answers to heartbeats are one result short."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        results = await super().change_visibility(changes)
        return [result for result, (_, s) in zip(results, changes, strict=True) if not s]


def _once(cloud: Cloud, call: str) -> None:
    def dies(name: str, _: object) -> None:
        if name == call and len(cloud.queue.named(name)) == 1:
            raise KeyError(name)

    cloud.queue.before = dies


@pytest.mark.parametrize(
    ("call", "loop"),
    [("receive", "poll"), ("delete", "delete"), ("change_visibility", "processor")],
)
async def test_a_loop_that_dies_ends_the_worker_and_is_named(
    cloud: Cloud, call: str, loop: str
) -> None:
    _once(cloud, call)
    cloud.submit("long.csv", b"1000")
    cloud.submit("bad.csv", b"bad")
    cloud.submit("good.csv", b"good")

    def fail(content: bytes) -> None:
        if content == b"bad":
            raise TransientError("throttled")

    cloud.pool.before = fail
    stop = Stop()
    (leaf,) = _leaves(await _fails(cloud, stop, consumers=1))
    assert isinstance(leaf, LoopFailed)
    assert str(leaf) == f"the {loop} loop failed: KeyError: {call!r}"
    assert stop.reason is not None
    assert stop.reason.startswith("failed")


async def test_a_heartbeat_loop_that_dies_ends_the_worker_and_is_named() -> None:
    cloud = Cloud(queue=Short())
    cloud.submit("long.csv", b"1000")
    stop = Stop()
    (leaf,) = _leaves(await _fails(cloud, stop))
    assert isinstance(leaf, LoopFailed)
    assert str(leaf).startswith("the heartbeat loop failed: ValueError")
    assert stop.reason == "failed"
    assert len(cloud.queue.visible()) == 1


@pytest.mark.parametrize("call", ["receive", "delete"])
async def test_when_a_loop_dies_everything_in_hand_is_given_back(cloud: Cloud, call: str) -> None:
    cloud.submit("short.csv", b"3")
    held = {cloud.submit(f"{number}.csv", b"1000") for number in range(5)}
    died: list[str] = []

    def dies(name: str, _: object) -> None:
        if name == call and now() > 2 and not died:
            died.append(name)
            raise KeyError(name)

    cloud.queue.before = dies
    await _fails(cloud, Stop(), concurrency=4)
    assert held <= cloud.queue.messages.keys()
    assert len(cloud.queue.visible()) == len(cloud.queue.messages)


class Deaf(FakePool):
    """Works on until its time has come, whoever asks it to end."""

    async def _predicted(self, body: bytes) -> bytes:
        end = now() + int(body)
        while now() < end:
            try:
                await asyncio.sleep(end - now())
            except asyncio.CancelledError:
                continue
        raise asyncio.CancelledError


async def test_a_job_that_does_not_end_when_its_time_is_over_ends_the_worker_and_is_named() -> None:
    cloud = Cloud(pool=Deaf())
    cloud.submit("deaf.csv", b"500")
    reasons: list[str | None] = []

    async def look() -> None:
        for end in (50 + 60, 50 + 60 + 20):
            await asyncio.sleep(end - now())
            reasons.append(stop.reason)

    stop = Stop()
    looking = asyncio.create_task(look())
    error = await _fails(cloud, stop, job_seconds=50)
    assert looking.done()
    assert reasons == [None, "failed"]
    (told,) = [str(leaf) for leaf in _leaves(error) if isinstance(leaf, FatalError)]
    assert "a processor is wedged: s3://in/deaf.csv" in told


async def test_a_worker_that_was_suspended_goes_on(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"10")
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)

    async with cloud.working(idle_seconds=-1, job_seconds=50):
        loop.call_later(5, loop.jump, 86_400)
        await asyncio.sleep(86_400 + 1000)
    assert cloud.outputs() == {"p/a.csv": b"10"}


async def test_five_minutes_without_a_successful_receive_end_the_worker(cloud: Cloud) -> None:
    def unreachable(name: str, _: object) -> None:
        if name == "receive":
            raise TransientError("no network")

    cloud.queue.before = unreachable
    stop = Stop()
    (leaf,) = _leaves(await _fails(cloud, stop))
    assert str(leaf) == "no receive has succeeded for 300 s: no network"
    assert 300 < now() < 330
    assert stop.reason == "failed"


async def test_every_successful_receive_starts_the_five_minutes_anew(cloud: Cloud) -> None:
    def unreachable(name: str, _: object) -> None:
        if name == "receive" and now() % 300 > 50:
            raise TransientError("no network")

    cloud.queue.before = unreachable
    async with cloud.working(idle_seconds=-1) as stop:
        await asyncio.sleep(3000)
        assert stop.reason is None


async def test_what_is_in_hand_can_be_asked_of_the_stop(cloud: Cloud) -> None:
    held = {cloud.submit(f"{number}.csv", b"20") for number in range(3)}
    async with cloud.working(concurrency=2, idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        assert set(stop.in_hand()) == held
        await asyncio.sleep(60)
        assert list(stop.in_hand()) == []


async def test_messages_that_are_left_at_the_end_are_named_in_one_warning(
    logs: LogCapture,
) -> None:
    cloud = Cloud(queue=FakeQueue(visibility_seconds=300))
    names = [cloud.submit(f"{number}.csv", b"1000") for number in range(8)]
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        group.create_task(cloud.work(stop, concurrency=4, idle_seconds=-1, drain_seconds=25))
        await asyncio.sleep(70)
        # A heartbeat hangs, and nothing can be let go of before it has ended.
        cloud.queue.before = lambda name, _: asyncio.sleep(1000) if "change" in name else None
        await asyncio.sleep(31)
        stop.request("SIGTERM")
    ends = [line for line in logs.entries if line["event"].startswith("messages left")]
    assert ends == logs.entries[-1:]
    assert set(names[5:]) <= set(ends[0]["message_ids"])


async def test_what_a_failed_worker_gives_back_does_not_come_back_to_it() -> None:
    cloud = Cloud()
    for number in range(3):
        cloud.submit(f"{number}.csv", b"1000")
    cloud.submit("bad.csv", b"bad")

    def fail(content: bytes) -> None:
        if content == b"bad":
            raise TransientError("throttled")

    def dies(name: str, _: object) -> None:
        if name == "change_visibility" and len(cloud.queue.named(name)) == 1:
            raise KeyError(name)

    cloud.pool.before, cloud.queue.before = fail, dies
    with pytest.raises(ExceptionGroup):
        await cloud.work(idle_seconds=-1, concurrency=4)
    assert [stored.receives for stored in cloud.queue.messages.values()] == [1] * 4


async def test_a_backlog_is_received_by_the_batch_and_not_by_the_slot(cloud: Cloud) -> None:
    for number in range(160):
        cloud.submit(f"{number}.csv", str(number % 7).encode())
    await cloud.work(concurrency=16)
    assert len(cloud.outputs()) == 160
    assert len(cloud.queue.named("receive")) < 160 / 8 + 10
