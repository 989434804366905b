"""The queue, through the real client: on moto's server, or on a server with canned answers."""

import asyncio
import hashlib
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import boto3
import pytest
from moto.core.authorization import enable_iam_authentication
from structlog.testing import capture_logs

from tests.support.fakes.worker import settings
from tests.support.scenario import REGION, Endpoint
from tests.support.tcp_server import served
from tests.support.waiting import HANG_SECONDS
from worker.errors import FatalError, SettingsError, TransientError
from worker.lifecycle.stop import Stop
from worker.queue.sqs import EntryResult, QueueAttributes, SqsQueue, open_queue
from worker.service.run import run

ACCOUNT = "123456789012"  # moto's
OK, REFUSED, FAILED = EntryResult.OK, EntryResult.REFUSED, EntryResult.FAILED


@asynccontextmanager
async def looked(
    address: str,
    visibility_seconds: int | None = None,
    *,
    consumers: int = 1,
    wait_seconds: int = 20,
) -> AsyncIterator[SqsQueue]:
    async with open_queue(
        address,
        consumers=consumers,
        wait_seconds=wait_seconds,
        visibility_seconds=visibility_seconds,
    ) as queue:
        await queue.read_attributes()
        yield queue


class Canned:
    """A server that gives one answer to every request except the first look.

    While `held` is set to an event, a receive is answered when that event happens.
    """

    def __init__(self) -> None:
        self.status = 200
        self.answer: dict[str, Any] = {}
        self.header = ""  # one more line of each answer's head
        self.asked: list[dict[str, Any]] = []
        self.held: asyncio.Event | None = None
        self.receives = asyncio.Semaphore(0)  # one more for each receive that was asked

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            asked = json.loads(await reader.readexactly(length))
            status, answer = 200, {"Attributes": {"VisibilityTimeout": "30"}}
            if "getqueueattributes" not in head:
                self.asked.append(asked)
                if "receivemessage" in head:
                    self.receives.release()
                    if self.held is not None:
                        await self.held.wait()
                status, answer = self.status, self.answer
                if "Failed" in answer:
                    answer = self.completed(asked["Entries"])
            body = json.dumps(answer).encode()
            about = f"HTTP/1.1 {status} Canned\r\n{self.header}Content-Length: {len(body)}\r\n\r\n"
            writer.write(about.encode() + body)

    def completed(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Name as successful what has not failed, as SQS does."""
        failed = {entry["Id"] for entry in self.answer["Failed"]}
        rest = [{"Id": entry["Id"]} for entry in entries if entry["Id"] not in failed]
        return self.answer | {"Successful": rest}


@asynccontextmanager
async def answering(
    canned: Canned, monkeypatch: pytest.MonkeyPatch, *, consumers: int = 1
) -> AsyncIterator[SqsQueue]:
    async with served(canned.serve) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        address = f"{url}/{ACCOUNT}/jobs"
        async with looked(address, consumers=consumers, wait_seconds=HANG_SECONDS) as queue:
            yield queue


@pytest.fixture
async def queue(endpoint: Endpoint) -> AsyncIterator[SqsQueue]:
    async with looked(endpoint.name) as queue:
        yield queue


def arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def send(endpoint: Endpoint, count: int) -> None:
    for number in range(count):
        endpoint.sqs.send_message(QueueUrl=endpoint.queue, MessageBody=f"body {number}")


async def read_attributes(address: str) -> QueueAttributes:
    async with open_queue(address, consumers=1, wait_seconds=1) as queue:
        return await queue.read_attributes()


@pytest.mark.parametrize("form", ["name", "url", "arn"])
async def test_a_queue_is_found_by_name_url_and_arn(endpoint: Endpoint, form: str) -> None:
    address = {"name": "jobs", "url": endpoint.queue, "arn": arn("jobs")}[form]
    assert await read_attributes(address) == QueueAttributes(
        name="jobs",
        visibility_seconds=30,
        max_receive_count=5,
        dead_letter_queue=arn("jobs-dead"),
    )


async def test_the_facts_are_those_of_the_queue(endpoint: Endpoint) -> None:
    policy = {"deadLetterTargetArn": arn("jobs-dead"), "maxReceiveCount": 3}
    endpoint.sqs.set_queue_attributes(
        QueueUrl=endpoint.queue,
        Attributes={"VisibilityTimeout": "77", "RedrivePolicy": json.dumps(policy)},
    )
    facts = await read_attributes("jobs")
    assert (facts.visibility_seconds, facts.max_receive_count) == (77, 3)


@pytest.mark.usefixtures("endpoint")
async def test_a_queue_without_redrive_policy_has_no_limit_and_no_dead_letter_queue() -> None:
    assert await read_attributes("jobs-dead") == QueueAttributes("jobs-dead", 30, None, None)


@pytest.mark.parametrize("form", ["name", "url", "arn"])
async def test_an_unknown_queue_is_fatal_and_named(endpoint: Endpoint, form: str) -> None:
    url = f"{endpoint.url}/{ACCOUNT}/nowhere"
    address = {"name": "nowhere", "url": url, "arn": arn("nowhere")}[form]
    with pytest.raises(FatalError) as caught:
        await read_attributes(address)
    assert f"{address}: the queue does not exist" in str(caught.value)


async def test_a_dead_letter_queue_that_is_gone_is_fatal_and_named(endpoint: Endpoint) -> None:
    endpoint.sqs.delete_queue(QueueUrl=endpoint.dead)
    with pytest.raises(FatalError, match="jobs-dead: the queue does not exist"):
        await read_attributes("jobs")


async def test_a_received_message_has_id_handle_body_and_receive_count(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    sent = endpoint.sqs.send_message(QueueUrl=endpoint.queue, MessageBody="ünï <&>")

    (first,) = await queue.receive(10, 0)
    assert (first.id, first.body, first.receive_count) == (sent["MessageId"], "ünï <&>", 1)

    assert await queue.change_visibility([(first.receipt_handle, 0)]) == [OK]
    (second,) = await queue.receive(10, 0)
    assert (second.id, second.receive_count) == (first.id, 2)
    assert second.receipt_handle != first.receipt_handle


async def test_a_received_message_knows_when_it_was_sent(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    before = int(time.time() * 1000) / 1000  # SQS counts in milliseconds
    send(endpoint, 1)
    after = time.time()
    (message,) = await queue.receive(1, 0)
    assert message.sent is not None
    assert before <= message.sent <= after


async def test_an_empty_queue_gives_no_messages(queue: SqsQueue) -> None:
    assert await queue.receive(10, 1) == []


async def test_a_message_that_comes_during_a_long_poll_is_received(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    poll = asyncio.create_task(queue.receive(1, 20))
    await asyncio.to_thread(send, endpoint, 1)
    assert [message.body for message in await poll] == ["body 0"]


async def test_a_long_poll_ends_when_a_message_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    canned = Canned()
    canned.answer = {"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": "body 0"}]}
    canned.held = asyncio.Event()
    async with answering(canned, monkeypatch) as queue:
        poll = asyncio.create_task(queue.receive(1, 20))
        await canned.receives.acquire()
        assert not poll.done()
        canned.held.set()
        assert [message.body for message in await poll] == ["body 0"]
    assert [asked["WaitTimeSeconds"] for asked in canned.asked] == [20]


async def test_no_more_than_asked_for_and_never_more_than_ten_are_received(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    send(endpoint, 14)
    assert len(await queue.receive(3, 0)) <= 3
    assert len(await queue.receive(32, 0)) <= 10


async def test_without_an_override_the_queues_own_visibility_holds(endpoint: Endpoint) -> None:
    endpoint.sqs.set_queue_attributes(
        QueueUrl=endpoint.queue, Attributes={"VisibilityTimeout": "0"}
    )
    send(endpoint, 1)
    async with looked("jobs") as queue:
        received = [await queue.receive(1, 0) for _ in range(2)]
    assert [message.receive_count for batch in received for message in batch] == [1, 2]


async def test_an_override_hides_messages_for_longer_than_the_queue_would(
    endpoint: Endpoint,
) -> None:
    endpoint.sqs.set_queue_attributes(
        QueueUrl=endpoint.queue, Attributes={"VisibilityTimeout": "0"}
    )
    send(endpoint, 1)
    async with looked("jobs", visibility_seconds=600) as queue:
        received = [await queue.receive(1, 0) for _ in range(2)]
    assert [len(batch) for batch in received] == [1, 0]


async def test_ten_messages_are_deleted_in_one_call(endpoint: Endpoint, queue: SqsQueue) -> None:
    send(endpoint, 10)
    messages = [message for _ in range(10) for message in await queue.receive(10, 0)]
    assert await queue.delete([message.receipt_handle for message in messages]) == [OK] * 10
    assert endpoint.left(endpoint.queue) == 0


async def test_visibility_is_changed_message_by_message(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    send(endpoint, 2)
    kept, released = await queue.receive(2, 0)
    changes = [(kept.receipt_handle, 600), (released.receipt_handle, 0)]
    assert await queue.change_visibility(changes) == [OK, OK]
    assert [message.id for message in await queue.receive(10, 0)] == [released.id]


async def test_handles_that_the_queue_does_not_know_are_refused_at_their_places(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    send(endpoint, 2)
    first, second = (message.receipt_handle for message in await queue.receive(2, 0))
    handles = ["stale", first, "older", second]
    expected = [REFUSED, OK, REFUSED, OK]
    assert await queue.change_visibility([(handle, 60) for handle in handles]) == expected
    assert await queue.delete(handles) == expected
    assert endpoint.left(endpoint.queue) == 0


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("ReceiptHandleIsInvalid", REFUSED),
        ("MessageNotInflight", REFUSED),
        ("AWS.SimpleQueueService.MessageNotInflight", REFUSED),
        ("InvalidParameterValue", REFUSED),
        ("InternalError", FAILED),
        ("ServiceUnavailable", FAILED),
    ],
)
async def test_an_entry_that_fails_by_the_services_fault_is_worth_asking_again(
    monkeypatch: pytest.MonkeyPatch, code: str, result: EntryResult
) -> None:
    canned = Canned()
    canned.answer = {"Successful": [], "Failed": [{"Id": "1", "Code": code, "SenderFault": False}]}
    async with answering(canned, monkeypatch) as queue:
        assert await queue.delete(["a", "b", "c"]) == [OK, result, OK]
        assert await queue.change_visibility([("a", 1), ("b", 2)]) == [OK, result]


async def test_a_message_delivered_twice_may_stand_in_a_batch_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # moto refuses this; SQS asks for distinct ids, not for distinct handles.
    canned = Canned()
    canned.answer = {"Failed": []}
    async with answering(canned, monkeypatch) as queue:
        assert await queue.delete(["same", "same"]) == [OK, OK]
        assert await queue.change_visibility([("same", 1), ("same", 2)]) == [OK, OK]
    for asked in canned.asked:
        assert [entry["Id"] for entry in asked["Entries"]] == ["0", "1"]
        assert {entry["ReceiptHandle"] for entry in asked["Entries"]} == {"same"}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("RequestThrottled", TransientError),
        ("InternalFailure", TransientError),
        ("ExpiredTokenException", FatalError),
        ("AccessDeniedException", FatalError),
    ],
)
async def test_what_a_failed_poll_means_is_told_from_its_code_and_it_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, code: str, error: type[Exception]
) -> None:
    canned = Canned()
    canned.status, canned.answer = 400, {"__type": f"com.amazonaws.sqs#{code}", "message": "no"}
    async with answering(canned, monkeypatch) as queue:
        with pytest.raises(error, match=rf"receiving messages: .*{code}"):
            await queue.receive(1, 0)
    assert len(canned.asked) == 1


async def test_a_visibility_that_sqs_does_not_allow_is_refused_and_the_rest_changed(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    send(endpoint, 2)
    first, second = (message.receipt_handle for message in await queue.receive(2, 0))
    assert await queue.change_visibility([(first, 43_201), (second, 0)]) == [REFUSED, OK]


@pytest.mark.parametrize("call", ["receive", "delete", "change_visibility"])
async def test_a_queue_deleted_while_in_use_is_fatal(
    endpoint: Endpoint, queue: SqsQueue, call: str
) -> None:
    endpoint.sqs.delete_queue(QueueUrl=endpoint.queue)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "receive": lambda: queue.receive(1, 0),
        "delete": lambda: queue.delete(["handle"]),
        "change_visibility": lambda: queue.change_visibility([("handle", 1)]),
    }
    with pytest.raises(FatalError, match="the queue does not exist"):
        await calls[call]()


async def test_a_dead_letter_carries_its_body_and_attributes(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    attributes = {"error_type": "Unparsable", "error": "line 3: ünï"}

    assert await queue.send_to_dead_letters("the body", attributes)

    (dead,) = endpoint.sqs.receive_message(QueueUrl=endpoint.dead, MessageAttributeNames=["All"])[
        "Messages"
    ]
    assert dead["Body"] == "the body"
    carried = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert carried == attributes


async def test_without_a_dead_letter_queue_nothing_is_sent(endpoint: Endpoint) -> None:
    async with looked("jobs-dead") as queue:
        assert not await queue.send_to_dead_letters("the body", {"error": "bad"})
    assert endpoint.left(endpoint.queue) == endpoint.left(endpoint.dead) == 0


async def test_a_dead_letter_queue_deleted_while_in_use_is_no_reason_to_end(
    endpoint: Endpoint, queue: SqsQueue
) -> None:
    endpoint.sqs.delete_queue(QueueUrl=endpoint.dead)
    with pytest.raises(TransientError):
        await queue.send_to_dead_letters("the body", {"error": "bad"})


@pytest.mark.parametrize("older", ["", "x-amzn-query-error: KMS.DisabledException;Sender\r\n"])
async def test_a_kms_key_that_cannot_be_used_is_fatal_in_the_words_of_both_protocols(
    monkeypatch: pytest.MonkeyPatch, older: str
) -> None:
    canned = Canned()
    canned.header = older
    canned.status = 400
    canned.answer = {"__type": "com.amazonaws.sqs#KmsDisabled", "message": "key/0b1c is disabled."}
    async with answering(canned, monkeypatch) as queue:
        with pytest.raises(FatalError, match=r"KMS key .* is disabled.*Next step: enable the key"):
            await queue.receive(10, 0)


@pytest.mark.usefixtures("endpoint")
async def test_refused_credentials_are_fatal() -> None:
    with enable_iam_authentication(), pytest.raises(FatalError, match="InvalidClientTokenId"):
        await read_attributes("jobs")


async def test_denied_access_to_the_queue_is_fatal(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = boto3.client("iam", REGION, endpoint_url=endpoint.url)
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    with enable_iam_authentication(), pytest.raises(FatalError, match="access denied"):
        await read_attributes("jobs")


async def test_missing_credentials_are_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(FatalError, match="no usable AWS credentials"):
        await read_attributes("jobs")


async def test_a_missing_region_is_an_error_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(SettingsError, match="AWS_REGION is required"):
        await read_attributes("jobs")


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_either_variable_tells_the_region(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv(variable, REGION)
    assert (await read_attributes("jobs")).name == "jobs"


async def test_a_server_that_is_not_there_may_be_there_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*closed.getsockname()))
        with pytest.raises(TransientError, match="EndpointConnectionError"):
            await read_attributes("jobs")


async def test_a_batch_answer_that_names_no_entry_is_a_failure_of_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canned = Canned()
    async with answering(canned, monkeypatch) as queue:
        assert await queue.delete(["a", "b"]) == [FAILED, FAILED]
        assert await queue.change_visibility([("a", 1)]) == [FAILED]


async def test_an_entry_that_a_batch_answer_leaves_out_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canned = Canned()
    canned.answer = {"Successful": [{"Id": "2"}]}
    async with answering(canned, monkeypatch) as queue:
        assert await queue.delete(["a", "b", "c"]) == [FAILED, FAILED, OK]


async def test_a_body_that_does_not_match_its_digest_is_left_out_and_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(name: str, body: str, digested: str) -> dict[str, str]:
        digest = hashlib.md5(digested.encode(), usedforsecurity=False).hexdigest()
        return {"MessageId": name, "ReceiptHandle": "h", "Body": body, "MD5OfBody": digest}

    canned = Canned()
    canned.answer = {"Messages": [found("damaged", "a", "b"), found("intact", "ünï", "ünï")]}
    with capture_logs() as logs:
        async with answering(canned, monkeypatch) as queue:
            (message,) = await queue.receive(10, 1)
    assert (message.id, message.body) == ("intact", "ünï")
    (line,) = logs
    assert (line["event"], line["message_id"]) == ("message damaged in transit", "damaged")


async def test_a_stop_during_the_start_does_not_wait_for_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = Stop()
    requests = 0
    left = asyncio.Event()

    async def stall(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        stop.request("SIGTERM")
        await reader.read()  # to its end: the client has hung up
        left.set()

    async with served(stall) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with capture_logs() as logs:
            await run(settings(), stop)
            await left.wait()
    assert requests == 1  # a client that waits for an answer in vain asks again
    assert logs == [{"event": "stopped", "reason": "SIGTERM", "log_level": "info"}]


async def test_polls_that_wait_keep_no_connection_from_heartbeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canned = Canned()
    canned.answer = {"Failed": []}
    canned.held = asyncio.Event()  # which never happens
    async with answering(canned, monkeypatch, consumers=3) as queue:
        polls = [asyncio.ensure_future(queue.receive(1, 20)) for _ in range(3)]
        for _ in polls:
            await canned.receives.acquire()
        for _ in range(5):
            assert await queue.change_visibility([("handle", 30)]) == [EntryResult.OK]
        assert not any(poll.done() for poll in polls)
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)
