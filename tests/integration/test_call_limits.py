"""Every call to AWS ends within its limit, at whatever point the server stops going on.

The sockets are real and the clock is put forward, so that minutes take no time.
"""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from tests.support.aws_calls import CALLS, URI, WAIT_SECONDS, longest
from tests.support.forward_loop import ForwardLoop, turns
from tests.support.storages import opened
from tests.support.tcp_server import served
from worker.errors import TransientError
from worker.events.bus import EventBus, open_bus
from worker.queue.sqs import SqsQueue, open_queue
from worker.storage.s3 import S3Storage

STEP_SECONDS = 5.0
WITH_A_BODY = ("put", "put_part")

Stage = Callable[[StreamReader, StreamWriter], Awaitable[None]]
End = tuple[float, BaseException | None]  # after how many seconds a call has ended, and how


async def read_nothing(_: StreamReader, __: StreamWriter) -> None:
    pass


async def read_the_head(reader: StreamReader, _: StreamWriter) -> None:
    """Never say `100 Continue`, which the client waits for before it sends a body."""
    await reader.readuntil(b"\r\n\r\n")


async def continue_and_read_nothing(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await writer.drain()


async def read_a_byte_a_minute(reader: StreamReader, writer: StreamWriter) -> None:
    await continue_and_read_nothing(reader, writer)
    while await reader.read(1):  # noqa: ASYNC110 - nothing else happens
        await asyncio.sleep(60)  # by the clock that is put forward


async def read_everything(reader: StreamReader, writer: StreamWriter) -> None:
    await continue_and_read_nothing(reader, writer)
    while await reader.read(1 << 20):
        pass


async def answer_half(reader: StreamReader, writer: StreamWriter) -> None:
    await continue_and_read_nothing(reader, writer)
    head = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 1000000\r\n\r\n'
    writer.write(head + bytes(1000))
    await writer.drain()


async def answer_a_byte_now_and_then(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer without an end, but never pause for as long as the SDK waits."""
    await continue_and_read_nothing(reader, writer)
    writer.write(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 1000000\r\n\r\n')
    while True:
        writer.write(b"<")
        await writer.drain()
        await asyncio.sleep(STEP_SECONDS)


# Here the SDK's own timeouts end nothing, since it has not sent the whole body.
TAKES_NO_BODY = (read_nothing, read_the_head, continue_and_read_nothing, read_a_byte_a_minute)


def expect_continue(params: Mapping[str, Any], **_: object) -> None:
    """Ask the server before a body is sent, as the SDK does over TLS."""
    if params["body"]:
        params["headers"]["Expect"] = "100-continue"


@asynccontextmanager
async def clients(
    url: str, patch: pytest.MonkeyPatch, *known: str, direct: bool = True
) -> AsyncIterator[tuple[S3Storage, SqsQueue, EventBus]]:
    patch.setenv("AWS_ENDPOINT_URL", url)
    async with (
        opened(*known, direct=direct, connections=len(CALLS)) as storage,
        open_queue("jobs", consumers=1, wait_seconds=WAIT_SECONDS) as queue,
        open_bus("bus") as bus,
    ):
        events: Any = storage._client.meta.events
        events.register("before-call.s3", expect_continue)
        queue._url, queue._dead_letter_url = f"{url}/1/jobs", f"{url}/1/dead"
        yield storage, queue, bus


async def ends(
    storage: S3Storage, queue: SqsQueue, bus: EventBus, started: Callable[[], bool]
) -> dict[str, End]:
    """Make every call at once, and put the clock forward once all have `started`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ForwardLoop)
    began = loop.time()

    async def end_of(call: str) -> End:
        (outcome,) = await asyncio.gather(CALLS[call](storage, queue, bus), return_exceptions=True)
        return loop.time() - began, outcome if isinstance(outcome, BaseException) else None

    calls = {call: asyncio.create_task(end_of(call)) for call in CALLS}
    while not started():  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
    for _ in range(int(max(map(longest, CALLS)) / STEP_SECONDS) + 2):
        await loop.put_forward(STEP_SECONDS)
    pending = [call for call, task in calls.items() if not task.done()]
    for task in calls.values():
        task.cancel()
    await asyncio.wait(calls.values())
    assert not pending, "these calls have no limit"
    return {call: task.result() for call, task in calls.items()}


async def ends_at(stage: Stage, patch: pytest.MonkeyPatch, *, direct: bool) -> dict[str, End]:
    """Make every call to a server that goes on to that stage and no further."""
    reached = set[StreamWriter]()
    known = asyncio.Event()  # to the direct client: the address of the bucket

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        if direct and not known.is_set():
            await reader.readuntil(b"\r\n\r\n")
            known.set()
            writer.write(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
            return
        reached.add(writer)
        await stage(reader, writer)
        await asyncio.Event().wait()

    async with (
        served(serve) as url,
        clients(url, patch, URI.bucket, direct=direct) as (
            storage,
            queue,
            bus,
        ),
    ):
        found = await ends(storage, queue, bus, lambda: len(reached) >= len(CALLS))
    # A connection that still had something to send ends only now that the server has closed it.
    await turns()
    return found


def check(found: Mapping[str, End]) -> None:
    for call, (seconds, error) in found.items():
        assert isinstance(error, TransientError), (call, error)
        assert seconds < longest(call) + 2 * STEP_SECONDS, (call, seconds)


@pytest.mark.parametrize(
    "stage",
    [
        read_nothing,
        read_the_head,
        continue_and_read_nothing,
        read_a_byte_a_minute,
        read_everything,
        answer_half,
        answer_a_byte_now_and_then,
    ],
)
@pytest.mark.parametrize("direct", [True, False], ids=["direct", "aioboto3"])
def test_every_call_ends_within_its_limit_wherever_the_server_stops(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, direct: bool
) -> None:
    with asyncio.Runner(loop_factory=ForwardLoop) as runner:
        found = runner.run(ends_at(stage, monkeypatch, direct=direct))
    check(found)
    for call in WITH_A_BODY if stage in TAKES_NO_BODY else ():
        seconds, error = found[call]
        assert f"{call} took longer than {longest(call):.0f} s" in str(error)
        assert "s3://bucket/dir/a.csv" in str(error)
        assert seconds >= longest(call)


@contextmanager
def full_backlog() -> Iterator[str]:
    """Provide an address where no further connection is accepted or refused."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(server.getsockname())
            yield "http://{}:{}".format(*server.getsockname())
        finally:
            for one in waiting:
                one.close()


@contextmanager
def closed_port() -> Iterator[str]:
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        yield "http://{}:{}".format(*closed.getsockname())


@pytest.mark.parametrize("address", [full_backlog, closed_port])
def test_every_call_ends_within_its_limit_if_nobody_answers_the_connection(
    address: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(url: str) -> dict[str, End]:
        async with clients(url, monkeypatch) as (storage, queue, bus):
            return await ends(storage, queue, bus, lambda: True)

    with address() as url, asyncio.Runner(loop_factory=ForwardLoop) as runner:
        check(runner.run(play(url)))
