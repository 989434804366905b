"""A network that cuts, delays, goes silent, answers 503 and corrupts: a proxy before the cloud.

An exchange is a request and its answer. The fault of each exchange is drawn from the seed and the
number of the exchange.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from urllib.parse import urlsplit

from tests.chaos.faults import DELAYS_SECONDS, LENGTH, SILENCE_SECONDS, corrupted, draw, unavailable
from tests.support.tcp_server import served
from tests.support.threads import entered_in_thread

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Proxy:
    """The proxy between the workers and the cloud. It makes faults until `calm` is called."""

    def __init__(self, upstream: str, seed: int) -> None:
        self._upstream = urlsplit(upstream)
        self._seed = seed
        self._exchanges = 0
        self._calm = False
        self.url = ""
        self.faults: Counter[str] = Counter()

    def calm(self) -> None:
        """Make no more faults."""
        self._calm = True

    async def converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass on the exchanges of one connection."""
        while await self._exchange(reader, writer):
            await writer.drain()

    async def _exchange(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Pass on one request and its answer. Return False when the connection must be closed."""
        head = await reader.readuntil(b"\r\n\r\n")
        if b"100-continue" in head.lower():
            writer.write(CONTINUE)
        request = head + await _body(head, reader)
        fault, random = self._draw()
        match fault:
            case "unavailable":
                writer.write(unavailable(head))
                return True
            case "request cut":
                await self._ask(request[: random.randrange(len(request))], half=True)
                return False
            case "silence":
                if random.random() < 0.5:
                    await self._ask(request)
                await asyncio.sleep(random.uniform(*SILENCE_SECONDS))
                return False
            case "delay":
                await asyncio.sleep(random.choice(DELAYS_SECONDS))
        head, body = await self._ask(request)
        answer = head + body
        if fault == "answer cut":
            writer.write(answer[: random.randrange(len(answer))])
            return False
        writer.write(corrupted(head, body, random) if fault == "corruption" else answer)
        return True

    def _draw(self) -> tuple[str | None, Random]:
        """Draw the fault of the next exchange, and the random numbers for its details."""
        self._exchanges += 1
        random = Random(f"{self._seed} {self._exchanges}")  # noqa: S311 - to be repeated
        fault = None if self._calm else draw(random)
        if fault is not None:
            self.faults[fault] += 1
        return fault, random

    async def _ask(self, request: bytes, *, half: bool = False) -> tuple[bytes, bytes]:
        """Send a request to the cloud and return the head and the body of its answer."""
        assert self._upstream.hostname is not None
        reader, writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        try:
            writer.write(request)
            await writer.drain()
            if half:
                return b"", b""
            head = CONTINUE
            while head.startswith(b"HTTP/1.1 100"):
                head = await reader.readuntil(b"\r\n\r\n")
            bodiless = request.startswith(b"HEAD")
            return head, b"" if bodiless else await _body(head, reader)
        finally:
            await _close(writer)


@contextmanager
def rough_network(upstream: str, seed: int) -> Iterator[Proxy]:
    """Run a proxy in front of a cloud, in a thread, for the length of the block."""
    proxy = Proxy(upstream, seed)
    with entered_in_thread(served(proxy.converse)) as proxy.url:
        yield proxy


async def _body(head: bytes, reader: StreamReader) -> bytes:
    length = LENGTH.search(head)
    return await reader.readexactly(int(length[1])) if length else b""


async def _close(writer: StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
