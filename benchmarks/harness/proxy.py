"""A proxy between a program and the local cloud that counts, times and delays the calls.

The proxy passes all bytes on unchanged. It counts a call for each HTTP request line that is the
first on its connection, or that follows a response.
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
    """One call; times are on the monotonic clock."""

    name: str
    path: str
    sent: float
    answered: float | None = None


@dataclass
class Proxy:
    """Listens on a free local port, and passes each request on after `delay_seconds`."""

    upstream: str
    delay_seconds: float = 0.0
    url: str = ""
    calls: list[Call] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """Return how often each call was made, by its name."""
        return Counter(call.name for call in self.calls)

    async def serve(self, up: "Future[None]", down: "Future[None]") -> None:
        """Listen until `down` is set."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _ClientConnection(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        up.set_result(None)
        await asyncio.wrap_future(down)
        server.close()


class _ClientConnection(asyncio.Protocol):
    """A connection from the program to the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._cloud: asyncio.Transport | None = None
        self._pending: list[bytes] = []
        self._call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the cloud."""
        assert isinstance(transport, asyncio.Transport)
        self._program = transport
        self._connecting = asyncio.create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        """Pass a request or a part of one on, and note where a call begins."""
        if (request := REQUEST.match(data)) and (self._call is None or self._call.answered):
            self._call = Call(_name(data, request), request[2].decode(), time.monotonic())
            self._proxy.calls.append(self._call)
        asyncio.get_running_loop().call_later(self._proxy.delay_seconds, self._pass_on, data)

    def connection_lost(self, _: Exception | None) -> None:
        """Close the connection to the cloud too."""
        self._connecting.cancel()
        if self._cloud is not None:
            self._cloud.close()

    def send_response(self, data: bytes) -> None:
        """Pass the cloud's response on, and note its time."""
        if self._call is not None and not data.startswith(b"HTTP/1.1 100"):
            self._call.answered = time.monotonic()
        self._program.write(data)

    def close(self) -> None:
        """Close the connection, because the cloud has closed its own."""
        self._program.close()

    def _pass_on(self, data: bytes) -> None:
        if self._cloud is None:
            self._pending.append(data)
        else:
            self._cloud.write(data)

    async def _connect(self) -> None:
        host, _, port = urlsplit(self._proxy.upstream).netloc.partition(":")
        loop = asyncio.get_running_loop()
        self._cloud, _ = await loop.create_connection(
            lambda: _CloudConnection(self), host, int(port)
        )
        self._cloud.writelines(self._pending)


class _CloudConnection(asyncio.Protocol):
    """The proxy's own connection to the cloud, one for each connection from the program."""

    def __init__(self, client: _ClientConnection) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        """Pass the response on to the program."""
        self._client.send_response(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Close the connection to the program too."""
        self._client.close()


@contextmanager
def proxy_to(upstream: str, delay_seconds: float = 0.0) -> Iterator[Proxy]:
    """Run a proxy to the cloud in its own thread, for the length of the block."""
    proxy = Proxy(upstream, delay_seconds)
    up: Future[None] = Future()
    down: Future[None] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(up, down)), name="proxy")
    thread.start()
    try:
        up.result(timeout=10)
        yield proxy
    finally:
        down.set_result(None)
        thread.join()


def _name(data: bytes, request: "re.Match[bytes]") -> str:
    action = ACTION.search(data)
    return ((action[1] or action[2]) if action else request[1]).decode()
