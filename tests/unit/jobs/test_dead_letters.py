import asyncio
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import LogCapture

from tests.support.fakes.faults import raising
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.settlement import SettlementSetup
from tests.support.fakes.storage import FakeStorage
from tests.support.fakes.worker import Cloud, body, report
from tests.support.schemas import checked
from worker.clock import now
from worker.errors import LeaseLost, OutputRefused, TransientError, Unparsable, UnreadableBody
from worker.job import Job, Message, Reject, S3Uri
from worker.jobs.dead_letters import Recorded
from worker.jobs.failure_reports import REPORT_MARK
from worker.queue.sqs import RedrivePolicy

MAX_RECEIVE_COUNT = 3
UNPARSABLE = Unparsable("line 3: nonsense")
REPORT = report("a.csv")


class Setup(SettlementSetup):
    """Dead letters and what they need, with messages that this worker holds."""

    def __init__(self, queue: FakeQueue | None = None, storage: FakeStorage | None = None) -> None:
        super().__init__(queue or FakeQueue(max_receive_count=MAX_RECEIVE_COUNT), storage)

    def held_message(self, receive_count: int = 1, content: str | None = None) -> Message:
        message = Message(
            "m",
            "h",
            body("a.csv") if content is None else content,
            receive_count,
            last_receive=RedrivePolicy(MAX_RECEIVE_COUNT).is_last(receive_count),
        )
        self.leases.claim(message)
        return message

    async def record(self, message: Message) -> Recorded:
        recorded = await self.dead_letters.record(
            message, Reject(UNPARSABLE, Job.parse(message.body))
        )
        assert recorded is not None
        return recorded

    async def limit_dead_letters(self, size: int) -> None:
        self.queue.limit_dead_letters(size)
        await self.queue.read_attributes()

    def has_report(self) -> bool:
        return REPORT in self.storage.versions


async def test_a_rejection_is_reported_and_then_dead_lettered() -> None:
    setup = Setup()
    reported = []
    setup.queue.before = lambda _, __: reported.append(setup.has_report())
    assert await setup.record(setup.held_message()) == Recorded(REPORT, dead_letter=True)
    assert reported == [True]
    ((dead_body, _),) = setup.queue.dead_letters
    assert dead_body == body("a.csv")


async def test_a_dead_letter_names_its_error_its_source_and_its_run() -> None:
    setup = Setup()
    content = body("a.csv", run="r1", etag="e", version_id="v")
    await setup.record(setup.held_message(receive_count=2, content=content))
    ((_, attributes),) = setup.queue.dead_letters
    assert attributes == {
        "error_type": "Unparsable",
        "error_message": "line 3: nonsense",
        "receive_count": "2",
        "source_queue": "q",
        "source_message_id": "m",
        "run": "r1",
        "worker": "worker-1",
        "model_sha256": "0" * 64,
        "input_version": "v",
    }


async def test_a_dead_letter_has_no_attribute_for_what_is_not_known() -> None:
    setup = Setup()
    await setup.record(setup.held_message())
    ((_, attributes),) = setup.queue.dead_letters
    assert not {"run", "input_version"} & attributes.keys()


async def test_the_reason_is_shortened_to_the_room_that_a_large_body_leaves() -> None:
    setup = Setup()
    message = setup.held_message(content=body("a.csv", more="x" * 5000))
    await setup.limit_dead_letters(len(message.body) + 300)
    reason = Unparsable("line 3: nonsense, " * 50)
    await setup.dead_letters.record(message, Reject(reason, None))
    ((dead_body, attributes),) = setup.queue.dead_letters
    assert dead_body == message.body
    assert attributes["error_type"] == "Unparsable"
    assert attributes["error_message"].startswith("line 3: nonsense, line 3: nonsense")
    assert str(reason).startswith(attributes["error_message"])
    assert attributes["source_message_id"] == "m"


async def test_a_body_that_leaves_no_room_is_dead_lettered_without_attributes() -> None:
    setup = Setup()
    message = setup.held_message(content=body("a.csv", more="x" * 5000))
    await setup.limit_dead_letters(len(message.body))
    await setup.dead_letters.record(message, Reject(UNPARSABLE, None))
    assert setup.queue.dead_letters == [(message.body, {})]


async def test_the_limit_of_the_dead_letter_queue_is_read_at_the_start() -> None:
    queue = FakeQueue(max_receive_count=1)
    text = body("a.csv", more="x" * 5000)
    queue.limit_dead_letters(len(text) + 100)
    cloud = Cloud(queue)
    cloud.storage.add(S3Uri("in", "a.csv"), b"abc")
    cloud.pool.before = raising(Unparsable("nonsense " * 100))
    queue.send(text)
    await cloud.run_worker()
    ((dead_body, attributes),) = queue.dead_letters
    assert dead_body == text
    assert attributes["error_type"] == "Unparsable"


async def test_an_error_with_an_empty_message_is_dead_lettered_too() -> None:
    setup = Setup()
    message = setup.held_message()
    await setup.dead_letters.record(message, Reject(Unparsable(""), None))
    ((_, attributes),) = setup.queue.dead_letters
    assert attributes["error_message"] == "?"


async def test_a_body_that_is_no_job_is_dead_lettered_without_a_report() -> None:
    setup = Setup()
    message = setup.held_message(content="nonsense")
    recorded = await setup.dead_letters.record(
        message, Reject(UnreadableBody("the message is not a job"))
    )
    assert recorded == Recorded(None, dead_letter=True)
    assert setup.storage.versions == {}
    ((dead_body, _),) = setup.queue.dead_letters
    assert dead_body == "nonsense"


async def test_without_a_dead_letter_queue_only_the_report_is_written() -> None:
    setup = Setup(FakeQueue(max_receive_count=None))
    assert await setup.record(setup.held_message()) == Recorded(REPORT, dead_letter=False)


async def test_a_transient_failure_of_the_report_prevents_the_dead_letter() -> None:
    setup = Setup()
    setup.storage.before = raising(TransientError("throttled"), on="put")
    with pytest.raises(TransientError):
        await setup.record(setup.held_message())
    assert setup.queue.dead_letters == []


async def test_on_the_last_receive_a_failed_report_does_not_prevent_the_dead_letter(
    logs: LogCapture,
) -> None:
    setup = Setup()
    setup.storage.before = raising(TransientError("throttled"), on="put")
    assert await setup.record(setup.held_message(receive_count=MAX_RECEIVE_COUNT)) == Recorded(
        None, dead_letter=True
    )
    assert [line["event"] for line in logs.entries] == ["failure report not written"]


async def test_a_refused_report_does_not_prevent_the_dead_letter() -> None:
    setup = Setup()
    setup.storage.before = raising(OutputRefused("taken"), on="put")
    assert await setup.record(setup.held_message()) == Recorded(None, dead_letter=True)


async def test_reports_that_conflict_again_and_again_wait_between_their_attempts() -> None:
    setup = Setup()
    times = []

    def write_another(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("put", REPORT):
            times.append(now())
            metadata = {REPORT_MARK: "0.0"}
            setup.storage.add(REPORT, b"another worker's %d" % len(times), metadata)

    setup.storage.before = write_another
    with pytest.raises(TransientError, match="kept changing"):
        await setup.record(setup.held_message())
    pauses = [after - before for before, after in pairwise(times)]
    assert all(pause > 0 for pause in pauses[1:])


async def test_a_message_whose_lease_is_lost_is_not_reported() -> None:
    setup = Setup()
    message = setup.held_message()
    await asyncio.sleep(31)
    with pytest.raises(LeaseLost):
        await setup.record(message)
    assert not setup.has_report()


async def test_a_lease_lost_during_the_report_prevents_the_dead_letter() -> None:
    class SlowStorage(FakeStorage):
        async def put(
            self,
            uri: S3Uri,
            body: bytes,
            *,
            metadata: Mapping[str, str],
            content_type: str,
            content_encoding: str | None = None,
            replacing: str | None,
        ) -> None:
            await asyncio.sleep(31)
            await super().put(
                uri,
                body,
                metadata=metadata,
                content_type=content_type,
                content_encoding=content_encoding,
                replacing=replacing,
            )

    setup = Setup(storage=SlowStorage())
    with pytest.raises(LeaseLost):
        await setup.record(setup.held_message())
    assert setup.queue.dead_letters == []


async def test_a_report_names_the_error_the_receive_count_and_the_job() -> None:
    setup = Setup()
    await setup.record(setup.held_message(receive_count=2))
    written = json.loads(setup.storage.body(REPORT))
    assert (written["error_type"], written["message"]) == ("Unparsable", "line 3: nonsense")
    assert (written["receive_count"], written["permanent"]) == (2, True)
    assert written["job"]["key"] == "a.csv"


async def test_a_report_names_the_run_the_worker_and_the_model() -> None:
    setup = Setup()
    await setup.record(setup.held_message(content=body("a.csv", run="r1")))
    written = json.loads(setup.storage.body(REPORT))
    assert (written["run"], written["worker"]) == ("r1", "worker-1")
    assert written["model"] == {"uri": "m", "sha256": "0" * 64}


async def test_a_report_names_the_version_that_was_read_if_the_message_names_none() -> None:
    setup = Setup()
    message = setup.held_message()
    error = Unparsable("nonsense")
    error.failed_version = ("read", "v7")
    await setup.dead_letters.record(message, Reject(error, Job.parse(message.body)))
    source = json.loads(setup.storage.body(REPORT))["source"]
    assert source == {"etag": "read", "version_id": "v7", "sequencer": None}
    ((_, attributes),) = setup.queue.dead_letters
    assert attributes["input_version"] == "v7"


def test_every_field_of_a_report_and_every_attribute_of_a_dead_letter_is_documented() -> None:
    setup = Setup()
    job = Job.parse(body("a.csv", run="r1", etag="e"))
    page = (Path(__file__).parents[3] / "docs" / "failure-report.md").read_text("utf-8")
    report_part, _, letter_part = page.partition("## Dead letters")
    for name in setup.reports._report(job, UNPARSABLE, 1):
        assert f"`{name}`" in report_part, name
    for name in setup.dead_letters._attributes(Message("m", "h", ""), Reject(UNPARSABLE, job)):
        assert f"`{name}`" in letter_part, name


async def test_a_report_fits_its_schema() -> None:
    setup = Setup()
    message = setup.held_message()
    await setup.dead_letters.record(message, Reject(UNPARSABLE, Job.parse(message.body)))

    assert checked("failure-report", setup.storage.body(REPORT).decode())["permanent"] is True
