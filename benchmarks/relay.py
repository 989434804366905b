"""What stands between a program and the cloud to count its calls, to time them, or to delay them.

Bytes pass as they come. A call is a request line that comes where an answer has been or nothing.
"""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) (\S+) HTTP/1\.1\r\n")
ACTION = re.compile(rb"(?i:x-amz-target): ?\w+\.(\w+)|\bAction=(\w+)")


@dataclass(slots=True)
class Call:
    """One call, on the clock of the machine."""

    name: str
    path: str
    asked: float
    answered: float | None = None


@dataclass
class Relay:
    """Listens on a port of its own; each request reaches the cloud `delay_seconds` later."""

    upstream: str
    delay_seconds: float = 0.0
    url: str = ""
    calls: list[Call] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """Count the calls by their names."""
        return Counter(call.name for call in self.calls)

    async def serve(self, up: "Future[None]", down: "Future[None]") -> None:
        """Listen until `down` is set."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Near(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        up.set_result(None)
        await asyncio.wrap_future(down)
        server.close()


class _Near(asyncio.Protocol):
    """The connection from the program."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._far: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the cloud."""
        assert isinstance(transport, asyncio.Transport)
        self._near = transport
        self._connecting = asyncio.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        """Take a request, or more of it."""
        if (request := REQUEST.match(data)) and (self._call is None or self._call.answered):
            self._call = Call(_name(data, request), request[2].decode(), time.monotonic())
            self._relay.calls.append(self._call)
        asyncio.get_running_loop().call_later(self._relay.delay_seconds, self._pass_on, data)

    def connection_lost(self, _: Exception | None) -> None:
        """Hang up on the cloud too."""
        self._connecting.cancel()
        if self._far is not None:
            self._far.close()

    def answer(self, data: bytes) -> None:
        """Pass on what the cloud says."""
        if self._call is not None and not data.startswith(b"HTTP/1.1 100"):
            self._call.answered = time.monotonic()
        self._near.write(data)

    def hang_up(self) -> None:
        """Close the connection, as the cloud has."""
        self._near.close()

    def _pass_on(self, data: bytes) -> None:
        if self._far is None:
            self._waiting.append(data)
        else:
            self._far.write(data)

    async def _connect(self) -> None:
        host, _, port = urlsplit(self._relay.upstream).netloc.partition(":")
        loop = asyncio.get_running_loop()
        self._far, _ = await loop.create_connection(lambda: _Far(self), host, int(port))
        self._far.writelines(self._waiting)


class _Far(asyncio.Protocol):
    """The connection to the cloud."""

    def __init__(self, near: _Near) -> None:
        self._near = near

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._near.answer(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Hang up on the program too."""
        self._near.hang_up()


@contextmanager
def relayed(upstream: str, delay_seconds: float = 0.0) -> Iterator[Relay]:
    """Run a relay to a cloud, in a thread of its own, for the length of the block."""
    relay = Relay(upstream, delay_seconds)
    up: Future[None] = Future()
    down: Future[None] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(relay.serve(up, down)), name="relay")
    thread.start()
    try:
        up.result(timeout=10)
        yield relay
    finally:
        down.set_result(None)
        thread.join()


def _name(data: bytes, request: "re.Match[bytes]") -> str:
    action = ACTION.search(data)
    return ((action[1] or action[2]) if action else request[1]).decode()
