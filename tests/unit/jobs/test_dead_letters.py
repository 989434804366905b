import asyncio
import json
from collections.abc import Callable, Mapping

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import body, report
from worker.errors import LeaseLost, OutputRefused, TransientError, Unparsable, UnreadableBody
from worker.job import Job, Message, Reject, S3Uri
from worker.jobs.dead_letters import DeadLetters, Recorded
from worker.jobs.failure_reports import FailureReports
from worker.queue.leases import Leases
from worker.queue.sqs import RedrivePolicy

POLICY = 3
UNPARSABLE = Unparsable("line 3: nonsense")
REPORT = report("a.csv")


class Desk:
    """Rejections on a queue and a storage; `done` is what became durable, in its order."""

    def __init__(self, queue: FakeQueue | None = None, storage: FakeStorage | None = None) -> None:
        self.queue = queue or FakeQueue(max_receive_count=POLICY)
        self.storage = storage or FakeStorage()
        self.leases = Leases(self.queue, visibility_seconds=30, heartbeat_seconds=10)
        reports = FailureReports(
            self.storage,
            template="{output_key}/_failed/{key}.json",
            model="m",
            model_sha256="0" * 64,
        )
        self.dead_letters = DeadLetters(
            self.queue,
            queue_name="q",
            leases=self.leases,
            reports=reports,
        )

    def held(self, receive_count: int = 1, content: str | None = None) -> Message:
        message = Message(
            "m",
            "h",
            body("a.csv") if content is None else content,
            receive_count,
            last_receive=RedrivePolicy(POLICY).is_last(receive_count),
        )
        self.leases.claim(message)
        return message

    async def record(self, message: Message) -> Recorded:
        return await self.dead_letters.record(message, Reject(UNPARSABLE, Job.parse(message.body)))

    def reported(self) -> bool:
        return REPORT in self.storage.versions


def raising(error: Exception, at: str = "put") -> Callable[[str, S3Uri], None]:
    def before(name: str, _: S3Uri) -> None:
        if name == at:
            raise error

    return before


async def test_a_rejection_is_reported_and_then_dead_lettered() -> None:
    desk = Desk()
    reported = []
    desk.queue.before = lambda _, __: reported.append(desk.reported())
    assert await desk.record(desk.held()) == Recorded(REPORT, dead_letter=True)
    assert reported == [True]
    ((dead, _),) = desk.queue.dead
    assert dead == body("a.csv")


async def test_a_dead_letter_says_what_it_died_of_and_where_it_came_from() -> None:
    desk = Desk()
    await desk.record(desk.held(receive_count=2))
    ((_, reasons),) = desk.queue.dead
    assert reasons == {
        "error_type": "Unparsable",
        "error_message": "line 3: nonsense",
        "receive_count": "2",
        "source_queue": "q",
        "source_message_id": "m",
    }


async def test_an_error_without_words_is_dead_lettered_all_the_same() -> None:
    desk = Desk()
    message = desk.held()
    await desk.dead_letters.record(message, Reject(Unparsable(""), None))
    ((_, reasons),) = desk.queue.dead
    assert reasons["error_message"] == "?"


async def test_a_body_that_is_no_job_is_dead_lettered_without_a_report() -> None:
    desk = Desk()
    message = desk.held(content="nonsense")
    kept = await desk.dead_letters.record(
        message, Reject(UnreadableBody("the message is not a job"))
    )
    assert kept == Recorded(None, dead_letter=True)
    assert desk.storage.versions == {}
    ((dead, _),) = desk.queue.dead
    assert dead == "nonsense"


async def test_without_a_dead_letter_queue_the_report_is_all() -> None:
    desk = Desk(FakeQueue(max_receive_count=None))
    assert await desk.record(desk.held()) == Recorded(REPORT, dead_letter=False)


async def test_a_report_that_fails_for_now_keeps_the_dead_letter_back() -> None:
    desk = Desk()
    desk.storage.before = raising(TransientError("throttled"))
    with pytest.raises(TransientError):
        await desk.record(desk.held())
    assert desk.queue.dead == []


async def test_on_the_last_receive_the_dead_letter_goes_without_its_report(
    logs: LogCapture,
) -> None:
    desk = Desk()
    desk.storage.before = raising(TransientError("throttled"))
    assert await desk.record(desk.held(receive_count=POLICY)) == Recorded(None, dead_letter=True)
    assert [line["event"] for line in logs.entries] == ["failure report not written"]


async def test_a_report_that_may_not_be_written_keeps_no_dead_letter_back() -> None:
    desk = Desk()
    desk.storage.before = raising(OutputRefused("taken"))
    assert await desk.record(desk.held()) == Recorded(None, dead_letter=True)


async def test_what_is_no_longer_ours_is_not_reported() -> None:
    desk = Desk()
    message = desk.held()
    await asyncio.sleep(31)
    with pytest.raises(LeaseLost):
        await desk.record(message)
    assert not desk.reported()


async def test_what_is_lost_during_the_report_is_not_dead_lettered() -> None:
    class Slow(FakeStorage):
        async def put(
            self,
            uri: S3Uri,
            body: bytes,
            *,
            metadata: Mapping[str, str],
            content_type: str,
            replacing: str | None,
        ) -> None:
            await asyncio.sleep(31)
            await super().put(
                uri, body, metadata=metadata, content_type=content_type, replacing=replacing
            )

    desk = Desk(storage=Slow())
    with pytest.raises(LeaseLost):
        await desk.record(desk.held())
    assert desk.queue.dead == []


async def test_a_report_says_on_which_receive_of_which_job_what_went_wrong() -> None:
    desk = Desk()
    await desk.record(desk.held(receive_count=2))
    told = json.loads(desk.storage.body(REPORT))
    assert (told["error_type"], told["message"]) == ("Unparsable", "line 3: nonsense")
    assert (told["receive_count"], told["permanent"]) == (2, True)
    assert told["job"]["key"] == "a.csv"
