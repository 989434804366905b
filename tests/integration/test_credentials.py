"""Credentials of a task's role, which ECS renews, and an endpoint for credentials that fails."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from botocore.utils import ContainerMetadataFetcher

from tests.support.scenario import Endpoint, iris, model_file
from tests.support.storages import opened
from tests.support.tcp_server import served
from tests.support.waiting import HANG_SECONDS
from worker.aws.clients import client_config, open_client
from worker.aws.errors import map_errors
from worker.errors import TransientError
from worker.job import S3Uri

# The SDK renews keys that last for less than fifteen minutes, and uses none below ten.
LASTING, AGEING, ENDING = 3600, 720, 300

Answer = tuple[int, object] | None  # status and body, or none at all


@asynccontextmanager
async def answered_by(answer: Callable[[str], Answer]) -> AsyncIterator[str]:
    """Serve HTTP at the URL that is the value; `answer` gets the head of each request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        if (answered := answer(head)) is not None:
            status, body = answered
            content = b"" if body is None else json.dumps(body).encode()
            about = f"HTTP/1.1 {status} -\r\nContent-Length: {len(content)}\r\n"
            writer.write(f"{about}Connection: close\r\n\r\n".encode() + content)

    async with served(handle) as url:
        yield url


@dataclass
class Role:
    """The endpoint that hands out a role's numbered keys: on ECS, the agent at 169.254.170.2."""

    lasting_seconds: int = LASTING
    given: int = 0
    url: str = ""
    # While set, it gives the answer in place of keys.
    fault: Callable[[], Answer] | None = None

    def answer(self, _: str) -> Answer:
        if self.fault is not None:
            return self.fault()
        self.given += 1
        expires = datetime.now(UTC) + timedelta(seconds=self.lasting_seconds)
        return 200, {
            "AccessKeyId": f"key-{self.given}",
            "SecretAccessKey": "secret",
            "Token": "token",
            "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
        }


@dataclass
class Queue:
    """An empty queue that notes the keys by which each request was signed."""

    keys: list[str] = field(default_factory=list)

    def answer(self, head: str) -> Answer:
        signed_by = re.search("Credential=([^/]+)/", head)
        assert signed_by is not None
        self.keys.append(signed_by[1])
        return 200, {}


class EmptyBucket(Queue):
    """A bucket without objects, which notes the keys too."""

    def answer(self, head: str) -> Answer:
        super().answer(head)
        return 404, None


@pytest.fixture
async def role(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Role]:
    role = Role()
    monkeypatch.setattr(ContainerMetadataFetcher, "TIMEOUT_SECONDS", HANG_SECONDS)
    async with answered_by(role.answer) as url:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        role.url = f"{url}/role"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.url)
        yield role


@pytest.fixture
async def queue(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queue]:
    queue = Queue()
    async with answered_by(queue.answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        yield queue


@asynccontextmanager
async def client() -> AsyncIterator[Any]:
    async with open_client(
        "sqs", client_config(connections=2, read_seconds=HANG_SECONDS, attempts=1)
    ) as client:
        yield client


async def receive(client: Any) -> None:  # noqa: ANN401 - a client is typed by its service's name
    with map_errors("receiving"):
        await client.receive_message(QueueUrl="http://queue/jobs")


async def test_keys_that_last_are_asked_for_once(role: Role, queue: Queue) -> None:
    async with client() as sqs:
        for _ in range(3):
            await receive(sqs)
    assert queue.keys == ["key-1"] * 3
    assert role.given == 1


@pytest.mark.parametrize("seconds", [AGEING, ENDING])
async def test_a_long_run_goes_on_with_newer_keys(role: Role, queue: Queue, seconds: int) -> None:
    role.lasting_seconds = seconds
    async with client() as sqs:
        role.lasting_seconds = LASTING
        for _ in range(3):
            await receive(sqs)
    assert queue.keys == ["key-2"] * 3


async def test_the_direct_client_goes_on_with_newer_keys_too(
    role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = EmptyBucket()
    role.lasting_seconds = AGEING
    async with answered_by(bucket.answer) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        async with opened("bucket", direct=True, connections=1) as storage:
            role.lasting_seconds = LASTING
            for _ in range(2):
                assert await storage.head(S3Uri("bucket", "a.csv")) is None
    assert bucket.keys == ["key-2", "key-3", "key-3"]


async def test_while_keys_are_renewed_the_loop_runs_and_other_calls_go_out_with_the_old_ones(
    role: Role, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The renewal is under way until the role answers, however long the other calls take.
    monkeypatch.setattr(ContainerMetadataFetcher, "RETRY_ATTEMPTS", HANG_SECONDS)
    asked, renewing = asyncio.Event(), asyncio.Event()

    def hang() -> Answer:
        asked.set()
        return None

    role.lasting_seconds = AGEING
    async with client() as sqs, asyncio.TaskGroup() as group:
        role.fault = hang
        group.create_task(receive(sqs)).add_done_callback(lambda _: renewing.set())
        await asked.wait()
        await receive(sqs)
        assert not renewing.is_set()
        assert queue.keys == ["key-1"]
        role.fault = None
    assert queue.keys == ["key-1", "key-2"]


@pytest.mark.parametrize(
    "answer",
    [(200, {}), (200, {"Code": "AccessDenied"}), (200, ["no keys"])],
    ids=["empty", "an error with status 200", "a list"],
)
async def test_an_endpoint_that_answers_nonsense_is_transient(
    role: Role, queue: Queue, answer: Answer
) -> None:
    role.lasting_seconds = ENDING
    async with client() as sqs:
        role.fault = lambda: answer
        with pytest.raises(TransientError, match=r"^receiving: "):
            await receive(sqs)
        role.fault = None
        await receive(sqs)
    assert queue.keys == ["key-2"]


async def test_keys_that_come_expired_are_transient(role: Role, queue: Queue) -> None:
    role.lasting_seconds = ENDING
    async with client() as sqs:
        role.lasting_seconds = -60
        with pytest.raises(TransientError, match="still expired"):
            await receive(sqs)
        role.lasting_seconds = LASTING
        await receive(sqs)
    assert queue.keys == ["key-3"]


@pytest.fixture
def as_a_task(endpoint: Endpoint, role: Role) -> Endpoint:
    """An endpoint whose workers have a role and no keys of their own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del endpoint.environment[name]
    endpoint.environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = role.url
    return endpoint


async def test_a_worker_outlives_an_endpoint_that_fails_for_a_while(
    as_a_task: Endpoint, role: Role, tmp_path: Path
) -> None:
    model = str(model_file(tmp_path))
    faults: Iterator[Answer] = cycle([(500, "busy"), None])
    role.lasting_seconds = ENDING
    waits = {"WORKER_WAIT_SECONDS": "1", "WORKER_IDLE_SECONDS": "-1"}
    with as_a_task.started(WORKER_MODEL=model, **waits) as worker:
        await asyncio.to_thread(worker.until, "ready")
        role.fault = lambda: next(faults)
        await asyncio.to_thread(worker.until, "receive failed, retrying")
        role.fault = None
        (failed,) = [line for line in worker.lines if "receive failed" in line]
        as_a_task.submit("a.csv", iris().to_csv(index=False).encode())
        await asyncio.to_thread(worker.until, "job done")
        worker.send(signal.SIGTERM)
        ended = await asyncio.to_thread(worker.ended)
    assert ended.status == 0, ended.stderr
    assert as_a_task.keys() == {"p/a.csv"}
    assert as_a_task.left(as_a_task.queue) == 0
    assert "CredentialRetrievalError" in failed


async def test_an_endpoint_that_fails_at_the_start_ends_it_with_a_line(
    as_a_task: Endpoint, role: Role
) -> None:
    role.fault = lambda: (500, "busy")
    ended = await as_a_task.worker(WORKER_MODEL="s3://jobs-in/m.pkl")
    assert ended.status == 1
    (line,) = ended.events
    assert ended.stderr.count("\n") == 1
    assert str(line["error"]).startswith("looking for AWS credentials: ")
    assert "500" in str(line["error"])
