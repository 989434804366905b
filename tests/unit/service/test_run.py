import asyncio
import json
from collections.abc import Sequence

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.clock import ignore_cancellation_until, jump
from tests.support.fakes.faults import raising
from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.worker import INPUT, OUTPUT, Cloud, body, output, report
from tests.support.simulation.bucket import Versioning
from worker.clock import now
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
    stop = await cloud.run_worker()
    assert stop.reason == "idle"
    assert not cloud.queue.messages
    assert cloud.outputs() == {f"p/{n}.csv": b"CONTENT %d" % n for n in range(100)}


async def test_the_worker_exits_after_its_idle_time_and_not_before(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    await cloud.run_worker(idle_seconds=60)
    assert 60 <= now() < 62


async def test_a_worker_that_got_one_file_or_none_exits_after_half_a_minute(cloud: Cloud) -> None:
    await cloud.run_worker()
    assert 30 <= now() < 32
    cloud.submit("a.csv")
    began = now()
    await cloud.run_worker()
    assert 30 <= now() - began < 32


@pytest.mark.parametrize("later", [0, 25])
async def test_a_worker_that_got_more_than_one_file_waits_a_minute_for_the_next(
    cloud: Cloud, later: float
) -> None:
    cloud.submit("a.csv")
    asyncio.get_running_loop().call_later(later, cloud.submit, "b.csv")
    await cloud.run_worker()
    assert cloud.outputs().keys() == {"p/a.csv", "p/b.csv"}
    assert later + 60 <= now() < later + 62


async def test_the_idle_time_that_is_set_holds_for_one_file_and_for_many(cloud: Cloud) -> None:
    for number in range(3):
        cloud.submit(f"{number}.csv")
    await cloud.run_worker(idle_seconds=10)
    assert 10 <= now() < 12


async def test_the_last_poll_of_an_idle_worker_ends_with_its_idle_time(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    await cloud.run_worker(wait_seconds=20)
    assert 30 <= now() < 32  # not two polls of twenty seconds


async def test_with_idle_seconds_zero_the_worker_drains_the_queue_and_exits(cloud: Cloud) -> None:
    for number in range(50):
        cloud.submit(f"{number}.csv")
    await cloud.run_worker(idle_seconds=0)
    assert not cloud.queue.messages
    assert now() < 5


async def test_short_polls_pause_after_an_empty_answer(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    await cloud.run_worker(wait_seconds=0, idle_seconds=60)
    assert cloud.outputs()
    assert len(cloud.queue.calls_to("receive")) < 70


async def test_a_worker_with_idle_seconds_minus_one_never_exits(cloud: Cloud) -> None:
    async with cloud.running_worker(idle_seconds=-1) as stop:
        await asyncio.sleep(10_000)
        assert stop.reason is None


async def test_a_worker_with_a_job_in_hand_is_not_idle(cloud: Cloud) -> None:
    cloud.submit("long.csv", b"500")
    await cloud.run_worker(idle_seconds=0)
    assert cloud.outputs() == {"p/long.csv": b"500"}


async def test_one_poll_runs_when_idle_and_all_polls_when_active(cloud: Cloud) -> None:
    polls = most_polls = 0

    class CountingQueue(FakeQueue):
        async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
            nonlocal polls, most_polls
            polls += 1
            most_polls = max(most_polls, polls)
            try:
                return await super().receive(limit, wait_seconds)
            finally:
                polls -= 1

    cloud.queue = CountingQueue()
    async with cloud.running_worker(consumers=3, idle_seconds=-1):
        await asyncio.sleep(200)
        assert most_polls == 1
        for number in range(300):
            cloud.submit(f"{number}.csv")
        await asyncio.sleep(10)
        assert most_polls == 3


async def test_no_more_messages_are_received_than_there_are_slots(cloud: Cloud) -> None:
    for number in range(100):
        cloud.submit(f"{number}.csv", b"1000")
    async with cloud.running_worker(concurrency=4, idle_seconds=-1):
        await asyncio.sleep(100)
        assert len(cloud.queue.visible()) == 100 - 2 * 4
        assert cloud.pool.most_running == 4


async def test_a_job_longer_than_the_visibility_timeout_runs_once(cloud: Cloud) -> None:
    cloud.submit("long.csv", b"1000")
    async with cloud.running_worker(idle_seconds=-1), cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(1100)
    assert cloud.pool.predicted == [b"1000"]
    assert cloud.outputs() == {"p/long.csv": b"1000"}


async def test_a_buffered_message_keeps_its_lease(cloud: Cloud) -> None:
    for number in range(4):
        cloud.submit(f"{number}.csv", b"100")
    async with cloud.running_worker(concurrency=2, idle_seconds=-1):
        await asyncio.sleep(250)
    assert len(cloud.pool.predicted) == 4
    assert {stored.receives for stored in cloud.queue.messages.values()} <= {1}


async def test_a_stop_finishes_started_jobs_and_releases_the_other_messages(cloud: Cloud) -> None:
    for number in range(6):
        cloud.submit(f"{number}.csv", b"60")
    async with cloud.running_worker(concurrency=2, idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        stop.request("SIGTERM")
        await asyncio.sleep(80)
    assert len(cloud.outputs()) == 2
    assert len(cloud.queue.visible()) == len(cloud.queue.messages) == 4


async def test_at_the_drain_deadline_unfinished_jobs_are_released(cloud: Cloud) -> None:
    cloud.submit("long.csv", b"1000")
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(cloud.run_worker(stop, idle_seconds=-1, drain_seconds=50))
        await asyncio.sleep(5)
        stop.request("SIGTERM")
        started = now()
        await worker
    assert now() - started <= 50
    assert len(cloud.queue.visible()) == 1
    assert cloud.outputs() == {}


async def test_messages_of_a_poll_under_way_at_the_stop_are_released(cloud: Cloud) -> None:
    async with cloud.running_worker(idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        stop.request("SIGTERM")
        cloud.submit("late.csv")
        await asyncio.sleep(1)
        assert len(cloud.queue.visible()) == 1
    assert cloud.outputs() == {}


async def test_deletes_that_wait_at_the_stop_are_sent(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"10")
    async with cloud.running_worker(idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        stop.request("SIGTERM")
    assert not cloud.queue.messages


@pytest.mark.parametrize("call", ["delete", "change_visibility"])
async def test_a_hard_stop_names_a_message_whose_settlement_is_under_way(
    cloud: Cloud, call: str
) -> None:
    message_id = cloud.submit("a.csv")
    if call == "change_visibility":
        cloud.pool.before = raising(TransientError("503"))

    async def hang(name: str) -> None:
        await asyncio.sleep(5 if name == call else 0)

    cloud.queue.before = lambda name, _: hang(name)
    async with cloud.running_worker(idle_seconds=-1) as stop:
        await asyncio.sleep(2)
        assert cloud.queue.calls_to(call)
        assert list(stop.in_hand()) == [message_id]


async def test_a_hard_stop_names_a_message_that_waits_for_its_delete_until_it_is_deleted(
    cloud: Cloud,
) -> None:
    message_id = cloud.submit("a.csv", b"10")
    async with cloud.running_worker(idle_seconds=-1) as stop:
        await asyncio.sleep(10.1)
        assert cloud.outputs()
        assert not cloud.queue.calls_to("delete")
        assert list(stop.in_hand()) == [message_id]
        await asyncio.sleep(5)
        assert list(stop.in_hand()) == []


async def test_a_hard_stop_names_the_messages_that_are_being_released(cloud: Cloud) -> None:
    message_id = cloud.submit("a.csv", b"1000")

    async def hang(name: str) -> None:
        await asyncio.sleep(1 if name == "change_visibility" else 0)

    async with cloud.running_worker(idle_seconds=-1, wait_seconds=1, drain_seconds=5) as stop:
        await asyncio.sleep(1)
        stop.request("SIGTERM")
        await asyncio.sleep(3)
        cloud.queue.before = lambda name, _: hang(name)
        await asyncio.sleep(2)
        assert cloud.queue.calls_to("change_visibility")
        assert list(stop.in_hand()) == [message_id]


async def test_a_failed_delete_is_sent_again(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    cloud.queue.fail_entries = 2
    await cloud.run_worker()
    assert not cloud.queue.messages


async def test_a_message_whose_delete_fails_is_not_predicted_twice(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def fail_delete(name: str, _: object) -> None:
        if name == "delete" and now() < 100:
            raise TransientError("no network")

    cloud.queue.before = fail_delete
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(200)
    assert cloud.pool.predicted == [b"abc"]
    assert not cloud.queue.messages


async def test_a_transient_error_is_retried_after_a_backoff(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def flaky(_: bytes) -> None:
        if len(cloud.queue.calls_to("receive")) < 3:
            raise ProcessLost("killed")

    cloud.pool.before = flaky
    await cloud.run_worker(idle_seconds=120)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


async def test_an_unexpected_error_is_retried(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def flaky(_: bytes) -> None:
        if len(cloud.queue.calls_to("receive")) < 2:
            raise ZeroDivisionError

    cloud.pool.before = flaky
    await cloud.run_worker(idle_seconds=120)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


async def test_backoffs_grow_and_stay_below_fifteen_minutes(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    cloud.pool.before = raising(TransientError("throttled"))
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(20_000)
    delays = [changes[0][1] for changes in cloud.queue.calls_to("change_visibility")]  # type: ignore[index]
    assert len(delays) > 20
    assert max(delays[:1]) <= 30
    assert 300 < max(delays) <= 900


async def test_a_failure_on_the_last_receive_is_dead_lettered_with_its_reason(
    cloud: Cloud,
) -> None:
    cloud.queue = FakeQueue(max_receive_count=3)
    cloud.submit("a.csv")
    cloud.pool.before = raising(TransientError("throttled"))
    await cloud.run_worker(idle_seconds=300)
    ((dead_body, attributes),) = cloud.queue.dead_letters
    assert dead_body == body("a.csv")
    assert attributes["error_type"] == "GaveUp"
    assert "3 receives: throttled" in attributes["error_message"]
    assert attributes["receive_count"] == "3"
    assert json.loads(cloud.outputs()["p/_failed/a.csv.json"])["permanent"] is False
    assert not cloud.queue.messages


async def test_a_permanent_failure_is_reported_dead_lettered_and_deleted(cloud: Cloud) -> None:
    cloud.submit("a.csv")
    cloud.pool.before = raising(Unparsable("line 3: nonsense"))
    await cloud.run_worker()
    written = json.loads(cloud.storage.body(report("a.csv")))
    assert (written["error_type"], written["message"]) == ("Unparsable", "line 3: nonsense")
    assert written["job"]["key"] == "a.csv"
    assert written["permanent"] is True
    ((_, attributes),) = cloud.queue.dead_letters
    assert attributes["error_message"] == "line 3: nonsense"
    assert not cloud.queue.messages


async def test_an_unreadable_message_is_dead_lettered_unchanged(cloud: Cloud) -> None:
    cloud.queue.send("nonsense")
    await cloud.run_worker()
    ((dead_body, attributes),) = cloud.queue.dead_letters
    assert dead_body == "nonsense"
    assert attributes["error_type"] == "UnreadableBody"
    assert not cloud.queue.messages


async def test_without_a_dead_letter_queue_an_unreadable_message_stays_in_the_queue(
    cloud: Cloud,
) -> None:
    cloud.queue = FakeQueue(max_receive_count=None)
    cloud.queue.send("nonsense")
    await cloud.run_worker()
    assert len(cloud.queue.messages) == 1


async def test_dead_letter_attributes_have_only_characters_and_lengths_that_sqs_accepts(
    cloud: Cloud,
) -> None:
    cloud.submit("a.csv")
    cloud.pool.before = raising(Unparsable("\x00\x1b[31m" + "x" * 5000))
    await cloud.run_worker()
    ((_, attributes),) = cloud.queue.dead_letters
    assert attributes["error_message"].startswith("??[31mxxx")
    assert len(attributes) <= 10
    assert all(0 < len(value) <= 1000 for value in attributes.values())


async def test_a_rejection_whose_dead_letter_fails_is_retried(cloud: Cloud) -> None:
    cloud.queue.send("nonsense")

    def fail_twice(name: str, _: object) -> None:
        if name == "dead_letter" and len(cloud.queue.calls_to("dead_letter")) < 3:
            raise TransientError("throttled")

    cloud.queue.before = fail_twice
    await cloud.run_worker(idle_seconds=300)
    assert len(cloud.queue.dead_letters) == 1
    assert not cloud.queue.messages
    assert (cloud.metrics.totals["retried"], cloud.metrics.totals["failed"]) == (2, 1)


async def test_a_missing_input_is_a_permanent_failure(cloud: Cloud) -> None:
    cloud.queue.send(body("gone.csv"))
    await cloud.run_worker()
    assert json.loads(cloud.storage.body(report("gone.csv")))["error_type"] == "NoSuchInput"


async def test_a_job_whose_lease_is_lost_writes_and_deletes_nothing(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"100")
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(5)
        cloud.queue.messages.clear()
        await asyncio.sleep(200)
    assert cloud.outputs() == {}
    assert cloud.queue.calls_to("delete") == []


async def test_a_job_past_its_time_limit_is_retried_and_then_dead_lettered(cloud: Cloud) -> None:
    cloud.queue = FakeQueue(max_receive_count=2)
    cloud.submit("slow.csv", b"100")
    await cloud.run_worker(job_seconds=50, idle_seconds=120)
    ((_, attributes),) = cloud.queue.dead_letters
    assert "WORKER_JOB_SECONDS (50)" in attributes["error_message"]


async def test_an_overwritten_input_is_left_to_the_message_of_its_newer_version(
    cloud: Cloud,
) -> None:
    cloud.storage.versioning = None
    old = cloud.storage.add(S3Uri(INPUT, "a.csv"), b"old")
    cloud.queue.send(body("a.csv", etag=old.etag, sequencer="01"))
    cloud.storage.add(S3Uri(INPUT, "a.csv"), b"new")
    await cloud.run_worker()
    assert cloud.outputs() == {}
    assert not cloud.queue.messages


async def test_an_overwritten_input_without_a_sequencer_is_predicted_in_its_current_version(
    cloud: Cloud,
) -> None:
    cloud.storage.versioning = None
    old = cloud.storage.add(S3Uri(INPUT, "a.csv"), b"old")
    cloud.queue.send(body("a.csv", etag=old.etag))
    cloud.storage.add(S3Uri(INPUT, "a.csv"), b"new")
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"NEW"}


async def test_an_input_overwritten_during_a_replacement_is_predicted_again(cloud: Cloud) -> None:
    source = S3Uri(INPUT, "a.csv")
    first = cloud.storage.add(source, b"first")
    cloud.queue.send(body("a.csv", version_id=first.version_id, sequencer="01"))
    await cloud.run_worker()
    second = cloud.storage.add(source, b"second")
    cloud.queue.send(body("a.csv", version_id=second.version_id, sequencer="02"))
    cloud.storage.add(source, b"third")
    await cloud.run_worker()
    assert cloud.storage.body(output("a.csv")) == b"THIRD"


async def test_an_output_that_would_overwrite_its_input_is_refused(cloud: Cloud) -> None:
    cloud.storage.add(S3Uri("same", "p/a.csv"), b"abc")
    job = {"bucket": "same", "key": "p/a.csv", "output_bucket": "same", "output_key": "p"}
    cloud.queue.send(json.dumps(job))
    await cloud.run_worker(output_template="{key}")
    assert cloud.storage.body(S3Uri("same", "p/a.csv")) == b"abc"
    assert cloud.queue.dead_letters[0][1]["error_type"] == "OutputRefused"


async def test_the_metadata_of_an_output_names_its_input_version_and_model(cloud: Cloud) -> None:
    head = cloud.storage.add(S3Uri(INPUT, "a.csv"), b"abc")
    cloud.queue.send(body("a.csv", version_id=head.version_id, sequencer="0A"))
    await cloud.run_worker()
    metadata = cloud.storage.metadata(output("a.csv"))
    assert metadata["source-etag"] == head.etag
    assert metadata["source-version-id"] == head.version_id
    assert metadata["source-sequencer"] == "0A"
    assert metadata["model-sha256"] == "0" * 64
    assert (metadata["rows"], metadata["rejected"]) == ("1", "0")


async def test_a_job_is_logged_once_with_all_its_fields(cloud: Cloud, logs: LogCapture) -> None:
    cloud.submit("a.csv")
    await cloud.run_worker()
    (entry,) = [entry for entry in logs.entries if entry["event"] == "job done"]
    assert entry["input"] == f"s3://{INPUT}/a.csv"
    assert entry["output"] == f"s3://{OUTPUT}/p/a.csv"
    assert (entry["rows"], entry["rejected"], entry["status"]) == (1, 0, "predicted")
    assert (entry["model"], entry["model_sha256"]) == ("m", "0" * 64)
    assert entry["etag"] == cloud.storage.versions[S3Uri(INPUT, "a.csv")][-1].etag


async def test_the_first_output_is_logged_with_what_its_file_waited_for(
    cloud: Cloud, logs: LogCapture
) -> None:
    asyncio.get_running_loop().call_later(15, cloud.submit, "long.csv", b"7")
    asyncio.get_running_loop().call_later(30, cloud.submit, "second.csv", b"0")
    await cloud.run_worker()
    (entry,) = [entry for entry in logs.entries if entry["event"] == "first output"]
    assert entry["input"] == f"s3://{INPUT}/long.csv"
    assert entry["message_seconds"] == pytest.approx(15, abs=1)
    assert entry["job_seconds"] == pytest.approx(7, abs=1)
    assert entry["seconds"] == pytest.approx(entry["message_seconds"] + entry["job_seconds"])


async def test_a_file_that_was_predicted_before_is_no_first_output(
    cloud: Cloud, logs: LogCapture
) -> None:
    cloud.submit("a.csv")
    await cloud.run_worker()
    logs.entries.clear()
    cloud.queue.send(body("a.csv"))
    await cloud.run_worker()
    assert [entry["event"] for entry in logs.entries if entry.get("input")] == ["job done"]


async def test_an_output_that_existed_before_is_logged_without_this_workers_model(
    cloud: Cloud, logs: LogCapture
) -> None:
    cloud.submit("a.csv")
    cloud.queue.send(body("a.csv"))
    await cloud.run_worker()
    lines = {entry["status"]: entry for entry in logs.entries if entry["event"] == "job done"}
    assert lines["predicted"]["model_sha256"] == "0" * 64
    assert not {"model", "model_sha256"} & lines["already done"].keys()


async def test_failed_receives_are_retried(cloud: Cloud) -> None:
    cloud.submit("a.csv")

    def unreachable(name: str, _: object) -> None:
        if name == "receive" and now() < 100:
            raise TransientError("no network")

    cloud.queue.before = unreachable
    await cloud.run_worker()
    assert not cloud.queue.messages


async def test_receives_that_fail_for_long_end_the_worker(cloud: Cloud) -> None:
    cloud.queue.before = raising(TransientError("no network"), on="receive")
    with pytest.raises(ExceptionGroup) as error:
        await cloud.run_worker(idle_seconds=-1)
    assert error.group_contains(FatalError, match="no network")


async def test_a_fatal_error_releases_all_messages_in_hand(cloud: Cloud) -> None:
    for number in range(5):
        cloud.submit(f"{number}.csv", b"100")

    def denied(name: str, _: object) -> None:
        if name == "receive" and now() > 5:
            raise FatalError("access denied")

    cloud.queue.before = denied
    with pytest.raises(ExceptionGroup) as error:
        await cloud.run_worker(concurrency=4, idle_seconds=-1)
    assert error.group_contains(FatalError)
    assert len(cloud.queue.visible()) == 5


async def test_jobs_under_way_stay_within_the_byte_budget(cloud: Cloud) -> None:
    for number in range(4):
        cloud.submit(f"{number}.csv", b"10", size=600 << 10)
    async with cloud.running_worker(memory_mb=1, idle_seconds=-1):
        await asyncio.sleep(100)
    assert cloud.pool.most_running == 1
    assert len(cloud.outputs()) == 4


class LateFirstAnswer(FakeQueue):
    """The answer to the first poll takes that many seconds to arrive."""

    def __init__(self, seconds: float) -> None:
        super().__init__(visibility_seconds=30)
        self.seconds = seconds

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        messages = await super().receive(limit, wait_seconds)
        seconds, self.seconds = self.seconds, 0
        await asyncio.sleep(seconds)
        return messages


@pytest.mark.parametrize(("seconds", "confirmations"), [(20.5, 0), (22, 1)])
async def test_the_lease_of_a_late_answer_counts_from_the_request(
    seconds: float, confirmations: int
) -> None:
    cloud = Cloud(queue=LateFirstAnswer(seconds))
    cloud.submit("a.csv")
    await cloud.run_worker(wait_seconds=20)
    assert cloud.outputs() == {"p/a.csv": b"ABC"}
    assert len(cloud.queue.calls_to("change_visibility")) == confirmations


async def test_an_answer_later_than_the_visibility_timeout_starts_no_job(
    logs: LogCapture,
) -> None:
    cloud = Cloud(queue=LateFirstAnswer(35))
    cloud.submit("a.csv")
    await cloud.run_worker(wait_seconds=20)
    assert cloud.pool.predicted == [b"abc"]
    abandoned, done = (line for line in logs.entries if line["event"].startswith("job"))
    assert (abandoned["event"], abandoned["receive_count"]) == ("job abandoned, lease lost", 1)
    assert (done["event"], done["receive_count"]) == ("job done", 2)


async def test_a_buffered_message_that_no_longer_exists_is_not_started(cloud: Cloud) -> None:
    cloud.submit("first.csv", b"5")
    removed = cloud.submit("second.csv")
    async with cloud.running_worker(concurrency=1, idle_seconds=-1):
        await asyncio.sleep(3)
        del cloud.queue.messages[removed]
        await asyncio.sleep(60)
    assert cloud.outputs() == {"p/first.csv": b"5"}
    assert ("get", S3Uri(INPUT, "second.csv")) not in cloud.storage.calls


async def _run_to_failure(cloud: Cloud, stop: Stop, **changes: object) -> BaseException:
    """Run a worker that fails; returns its error."""
    with pytest.raises(ExceptionGroup) as error:
        await cloud.run_worker(stop, idle_seconds=-1, **changes)
    return error.value


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


class MissingResults(FakeQueue):
    """Answers to heartbeats have no result."""

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        results = await super().change_visibility(changes)
        return [
            result for result, (_, seconds) in zip(results, changes, strict=True) if not seconds
        ]


def _fail_once(cloud: Cloud, call: str) -> None:
    """Let the first call of that name raise an error that the worker does not expect."""

    def fail(name: str, _: object) -> None:
        if name == call and len(cloud.queue.calls_to(name)) == 1:
            raise KeyError(name)

    cloud.queue.before = fail


@pytest.mark.parametrize(
    ("call", "loop"),
    [("receive", "poll"), ("delete", "delete"), ("change_visibility", "processor")],
)
async def test_a_failed_loop_ends_the_worker_and_is_named(
    cloud: Cloud, call: str, loop: str
) -> None:
    _fail_once(cloud, call)
    cloud.submit("long.csv", b"1000")
    cloud.submit("bad.csv", b"bad")
    cloud.submit("good.csv", b"good")

    def fail_bad_input(content: bytes) -> None:
        if content == b"bad":
            raise TransientError("throttled")

    cloud.pool.before = fail_bad_input
    stop = Stop()
    (leaf,) = _leaves(await _run_to_failure(cloud, stop, consumers=1))
    assert isinstance(leaf, LoopFailed)
    assert str(leaf) == f"the {loop} loop failed: KeyError: {call!r}"
    assert stop.reason is not None
    assert stop.reason.startswith("failed")


async def test_a_failed_heartbeat_loop_ends_the_worker_and_is_named() -> None:
    cloud = Cloud(queue=MissingResults())
    cloud.submit("long.csv", b"1000")
    stop = Stop()
    (leaf,) = _leaves(await _run_to_failure(cloud, stop))
    assert isinstance(leaf, LoopFailed)
    assert str(leaf).startswith("the heartbeat loop failed: ValueError")
    assert stop.reason == "failed"
    assert len(cloud.queue.visible()) == 1


@pytest.mark.parametrize("call", ["receive", "delete"])
async def test_when_a_loop_fails_all_messages_in_hand_are_released(cloud: Cloud, call: str) -> None:
    cloud.submit("short.csv", b"3")
    held = {cloud.submit(f"{number}.csv", b"1000") for number in range(5)}
    failed: list[str] = []

    def fail_call(name: str, _: object) -> None:
        if name == call and now() > 2 and not failed:
            failed.append(name)
            raise KeyError(name)

    cloud.queue.before = fail_call
    await _run_to_failure(cloud, Stop(), concurrency=4)
    assert held <= cloud.queue.messages.keys()
    assert len(cloud.queue.visible()) == len(cloud.queue.messages)


class UncancellablePool(FakePool):
    """A body of digits takes that many seconds, and a cancellation does not shorten them."""

    async def _predict(self, body: bytes) -> bytes:
        await ignore_cancellation_until(now() + int(body))
        raise asyncio.CancelledError


async def test_a_job_that_ignores_its_timeout_ends_the_worker_and_is_named() -> None:
    cloud = Cloud(pool=UncancellablePool())
    cloud.submit("wedged.csv", b"500")
    reasons: list[str | None] = []

    async def record_reasons() -> None:
        for end in (50 + 60, 50 + 60 + 20):
            await asyncio.sleep(end - now())
            reasons.append(stop.reason)

    stop = Stop()
    recording = asyncio.create_task(record_reasons())
    error = await _run_to_failure(cloud, stop, job_seconds=50)
    assert recording.done()
    assert reasons == [None, "failed"]
    (message,) = [str(leaf) for leaf in _leaves(error) if isinstance(leaf, FatalError)]
    assert "a processor is wedged: s3://in/wedged.csv" in message


async def test_a_worker_continues_after_a_suspension_of_its_process(cloud: Cloud) -> None:
    cloud.submit("a.csv", b"10")
    async with cloud.running_worker(idle_seconds=-1, job_seconds=50):
        asyncio.get_running_loop().call_later(5, jump, 86_400)
        await asyncio.sleep(86_400 + 1000)
    assert cloud.outputs() == {"p/a.csv": b"10"}


async def test_five_minutes_without_a_successful_receive_end_the_worker(cloud: Cloud) -> None:
    cloud.queue.before = raising(TransientError("no network"), on="receive")
    stop = Stop()
    (leaf,) = _leaves(await _run_to_failure(cloud, stop))
    assert str(leaf) == "no receive has succeeded for 300 s: no network"
    assert 300 < now() < 330
    assert stop.reason == "failed"


async def test_every_successful_receive_restarts_the_five_minutes(cloud: Cloud) -> None:
    def unreachable(name: str, _: object) -> None:
        if name == "receive" and now() % 300 > 50:
            raise TransientError("no network")

    cloud.queue.before = unreachable
    async with cloud.running_worker(idle_seconds=-1) as stop:
        await asyncio.sleep(3000)
        assert stop.reason is None


async def test_the_stop_returns_the_ids_of_the_messages_in_hand(cloud: Cloud) -> None:
    held = {cloud.submit(f"{number}.csv", b"20") for number in range(3)}
    async with cloud.running_worker(concurrency=2, idle_seconds=-1) as stop:
        await asyncio.sleep(5)
        assert set(stop.in_hand()) == held
        await asyncio.sleep(60)
        assert list(stop.in_hand()) == []


async def test_messages_that_cannot_be_released_are_logged_in_one_warning(
    logs: LogCapture,
) -> None:
    cloud = Cloud(queue=FakeQueue(visibility_seconds=300))
    message_ids = [cloud.submit(f"{number}.csv", b"1000") for number in range(8)]
    stop = Stop()
    async with asyncio.TaskGroup() as group:
        group.create_task(cloud.run_worker(stop, concurrency=4, idle_seconds=-1, drain_seconds=25))
        await asyncio.sleep(70)
        # A heartbeat hangs, and no lease can end before the heartbeat has ended.
        cloud.queue.before = lambda name, _: asyncio.sleep(1000) if "change" in name else None
        await asyncio.sleep(31)
        stop.request("SIGTERM")
    warnings = [line for line in logs.entries if line["event"].startswith("messages left")]
    assert warnings == logs.entries[-1:]
    assert set(message_ids[5:]) <= set(warnings[0]["message_ids"])


async def test_a_failed_worker_does_not_receive_the_messages_that_it_released() -> None:
    cloud = Cloud()
    for number in range(3):
        cloud.submit(f"{number}.csv", b"1000")
    cloud.submit("bad.csv", b"bad")

    def fail_bad_input(content: bytes) -> None:
        if content == b"bad":
            raise TransientError("throttled")

    cloud.pool.before = fail_bad_input
    _fail_once(cloud, "change_visibility")
    with pytest.raises(ExceptionGroup):
        await cloud.run_worker(idle_seconds=-1, concurrency=4)
    assert [stored.receives for stored in cloud.queue.messages.values()] == [1] * 4


async def test_a_backlog_is_received_in_batches_and_not_slot_by_slot(cloud: Cloud) -> None:
    for number in range(160):
        cloud.submit(f"{number}.csv", str(number % 7).encode())
    await cloud.run_worker(concurrency=16)
    assert len(cloud.outputs()) == 160
    assert len(cloud.queue.calls_to("receive")) < 160 / 8 + 10


BAD, GOOD = b"bad", b"good"


def _refuse_bad(content: bytes) -> None:
    if content == BAD:
        raise Unparsable("the file is empty")


@pytest.mark.parametrize("versioning", ["Enabled", None])
async def test_a_failed_version_that_was_replaced_is_superseded_without_any_report(
    cloud: Cloud, logs: LogCapture, versioning: Versioning | None
) -> None:
    cloud.storage.versioning = versioning
    source = S3Uri(INPUT, "a.csv")
    old = cloud.storage.add(source, BAD)

    def refuse_and_replace(content: bytes) -> None:
        cloud.storage.add(source, GOOD)
        _refuse_bad(content)

    cloud.pool.before = refuse_and_replace
    version = {"etag": old.etag, "version_id": old.version_id, "sequencer": "01"}
    cloud.queue.send(body("a.csv", **version))
    await cloud.run_worker()
    assert (cloud.outputs(), cloud.queue.dead_letters, cloud.queue.messages) == ({}, [], {})
    (line,) = [line for line in logs.entries if line["event"].startswith("job ")]
    assert (line["event"], line["log_level"]) == ("job failed, superseded", "info")
    assert (line["error_type"], line["error"]) == ("Unparsable", "the file is empty")


async def test_a_deleted_version_that_was_replaced_is_superseded(cloud: Cloud) -> None:
    cloud.submit("a.csv", GOOD, version_id="gone", etag="gone", sequencer="01")
    await cloud.run_worker()
    assert (cloud.outputs(), cloud.queue.dead_letters, cloud.queue.messages) == ({}, [], {})


async def test_a_replaced_version_is_superseded_also_if_its_last_receive_fails(
    cloud: Cloud,
) -> None:
    cloud.queue = FakeQueue(max_receive_count=1)
    cloud.pool.before = raising(ProcessLost("killed"))
    old = cloud.storage.add(S3Uri(INPUT, "a.csv"), BAD)
    version = {"etag": old.etag, "version_id": old.version_id, "sequencer": "01"}
    cloud.submit("a.csv", GOOD)
    cloud.queue.messages.clear()
    cloud.queue.send(body("a.csv", **version))
    await cloud.run_worker()
    assert (cloud.outputs(), cloud.queue.dead_letters, cloud.queue.messages) == ({}, [], {})


@pytest.mark.parametrize("detailed", [True, False])
async def test_without_a_sequencer_a_failed_version_that_was_replaced_starts_again_on_the_newer_one(
    cloud: Cloud, *, detailed: bool
) -> None:
    source = S3Uri(INPUT, "a.csv")
    old = cloud.storage.add(source, BAD)

    def refuse_and_replace(content: bytes) -> None:
        if content == BAD:
            cloud.storage.add(source, GOOD)
        _refuse_bad(content)

    cloud.pool.before = refuse_and_replace
    version = {"etag": old.etag, "version_id": old.version_id} if detailed else {}
    cloud.queue.send(body("a.csv", **version))
    await cloud.run_worker()
    assert cloud.outputs() == {"p/a.csv": b"GOOD"}
    assert cloud.queue.dead_letters == []


@pytest.mark.parametrize("sequencer", ["01", None])
async def test_a_version_that_fails_is_retried_if_its_input_cannot_be_looked_at(
    cloud: Cloud, logs: LogCapture, sequencer: str | None
) -> None:
    cloud.pool.before = _refuse_bad
    cloud.storage.before = raising(TransientError("throttled"), on="head")
    head = cloud.storage.add(S3Uri(INPUT, "a.csv"), BAD)
    cloud.queue.send(body("a.csv", etag=head.etag, sequencer=sequencer))
    async with cloud.running_worker(idle_seconds=-1):
        await asyncio.sleep(20)
        assert cloud.queue.dead_letters == []
        cloud.storage.before = None
        await asyncio.sleep(2000)
    assert len(cloud.queue.dead_letters) == 1
    retry = next(line for line in logs.entries if "retrying" in line["event"])
    assert "the file is empty" in retry["error"]


@pytest.mark.parametrize("sequencer", ["01", None])
async def test_the_last_receive_is_dead_lettered_with_its_reason_if_its_input_cannot_be_looked_at(
    cloud: Cloud, sequencer: str | None
) -> None:
    cloud.queue = FakeQueue(max_receive_count=1)
    cloud.pool.before = _refuse_bad
    cloud.storage.before = raising(TransientError("throttled"), on="head")
    head = cloud.storage.add(S3Uri(INPUT, "a.csv"), BAD)
    cloud.queue.send(body("a.csv", etag=head.etag, sequencer=sequencer))
    await cloud.run_worker()
    ((_, attributes),) = cloud.queue.dead_letters
    assert "the file is empty" in attributes["error_message"]


async def test_a_failed_version_whose_input_was_deleted_is_reported(cloud: Cloud) -> None:
    cloud.submit("a.csv", BAD, sequencer="01", etag="gone")
    cloud.storage.remove(S3Uri(INPUT, "a.csv"))
    await cloud.run_worker()
    ((_, attributes),) = cloud.queue.dead_letters
    assert attributes["error_type"] == "NoSuchInput"
    assert report("a.csv").key in cloud.outputs()
