"""A network that cuts, delays, goes silent, answers 503 and corrupts: a proxy before the cloud.

It passes on one exchange, a request and its answer, at a time, and draws what to do to it from the
seed and the exchange's number.
"""

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from random import Random
from urllib.parse import urlsplit

from tests.chaos.faults import DELAYS_SECONDS, LENGTH, SILENCE_SECONDS, corrupted, draw, unavailable

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Proxy:
    """What stands between the workers and the cloud, rough until it is told to be calm."""

    def __init__(self, upstream: str, seed: int) -> None:
        self._upstream = urlsplit(upstream)
        self._seed = seed
        self._exchanges = 0
        self._calm = False
        self.url = ""
        self.faults: Counter[str] = Counter()

    def calm(self) -> None:
        """Pass everything on as it is from now on."""
        self._calm = True

    async def serve(self, up: "Future[None]", down: "Future[None]") -> None:
        """Listen on a free port until `down` is set."""
        # Held here, as nothing else holds a conversation whose client has hung up.
        conversations: set[asyncio.Task[None]] = set()

        def begin(reader: StreamReader, writer: StreamWriter) -> None:
            conversation = asyncio.create_task(self._converse(reader, writer))
            conversations.add(conversation)
            conversation.add_done_callback(conversations.discard)

        server = await asyncio.start_server(begin, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        up.set_result(None)
        await asyncio.wrap_future(down)
        server.close()
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def _converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                await writer.drain()
        except (OSError, EOFError):  # one of the two has hung up
            pass
        finally:
            await _close(writer)

    async def _exchange(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Pass on one request and its answer; False when the connection is to be closed."""
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
        """Draw what happens to the next exchange, and the chance that the details are left to."""
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
    """Run a proxy before a cloud, in a thread of its own, for the length of the block."""
    proxy = Proxy(upstream, seed)
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


async def _body(head: bytes, reader: StreamReader) -> bytes:
    length = LENGTH.search(head)
    return await reader.readexactly(int(length[1])) if length else b""


async def _close(writer: StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
