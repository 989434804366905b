"""A bad network: a proxy before the cloud, which speaks TLS as AWS does.

It cuts, delays, goes silent, answers 503 or a redirect, and corrupts. An exchange is a request and
its answer. The fault of each exchange is drawn from the seed and the number of the exchange.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from tests.chaos.faults import (
    DELAYS_SECONDS,
    SILENCE_SECONDS,
    corrupted,
    draw,
    is_for_s3,
    redirect,
    unavailable,
)
from tests.support.aws_bodies import Refused, check
from tests.support.certificates import server_context
from tests.support.http_messages import (
    CONTINUE,
    ask,
    expects_continue,
    read_body,
    read_head,
    with_length,
)
from tests.support.tcp_server import served
from tests.support.threads import entered_in_thread


class Proxy:
    """The proxy between the workers and the cloud. It makes faults until `calm` is called."""

    def __init__(self, upstream: str, seed: int, bundle: Path) -> None:
        self._upstream = urlsplit(upstream)
        self._seed = seed
        self._bundle = bundle
        self._exchanges = 0
        self._calm = False
        self.url = ""
        self.other_url = ""  # a redirect leads here
        self.faults: Counter[str] = Counter()
        self.problems: list[str] = []

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make a program use this proxy."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_CA_BUNDLE": str(self._bundle)}

    def calm(self) -> None:
        """Make no more faults."""
        self._calm = True

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen at both addresses for the length of the block."""
        tls = server_context(self._bundle)
        async with (
            served(self.converse, tls) as self.url,
            served(self.converse, tls) as self.other_url,
        ):
            yield

    async def converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass on the exchanges of one connection."""
        while await self._exchange(reader, writer):
            await writer.drain()

    async def _exchange(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Pass on one request and its answer. Return False when the connection must be closed."""
        head = await read_head(reader)
        fault, random = self._draw(head)
        if fault == "silence while sending":
            await asyncio.sleep(random.uniform(*SILENCE_SECONDS))
            return False
        refused = self._refusal(fault, head, random)
        if refused and expects_continue(head) and random.random() < 0.5:
            writer.write(refused)
            await writer.drain()
            return False  # the client has not sent the body, and will not
        body = await self._body(head, reader, writer)
        if refused:
            writer.write(refused)
            return True
        return await self._pass_on(head, body, fault, random, writer)

    def _refusal(self, fault: str | None, head: bytes, random: Random) -> bytes | None:
        match fault:
            case "unavailable":
                return unavailable(head)
            case "redirect":
                return redirect(head, self.other_url, random)
        return None

    async def _body(self, head: bytes, reader: StreamReader, writer: StreamWriter) -> bytes:
        if expects_continue(head):
            writer.write(CONTINUE)
        body = await read_body(head, reader)
        try:
            check(head, body)
        except Refused as refused:
            self.problems.append(f"a body that S3 refuses ({refused}): {head!r}")
        return body

    async def _pass_on(
        self, head: bytes, body: bytes, fault: str | None, random: Random, writer: StreamWriter
    ) -> bool:
        match fault:
            case "request cut":
                await self._send_a_part(with_length(head, len(body)) + body, random)
                return False
            case "silence":
                if random.random() < 0.5:
                    await ask(self._upstream, head, body)
                await asyncio.sleep(random.uniform(*SILENCE_SECONDS))
                return False
            case "delay":
                await asyncio.sleep(random.choice(DELAYS_SECONDS))
        answer_head, content = await ask(self._upstream, head, body)
        answer = answer_head + content
        if fault == "answer cut":
            writer.write(answer[: random.randrange(len(answer))])
            return False
        writer.write(corrupted(answer_head, content, random) if fault == "corruption" else answer)
        return True

    def _draw(self, head: bytes) -> tuple[str | None, Random]:
        """Draw the fault of the next exchange, and the random numbers for its details."""
        self._exchanges += 1
        random = Random(f"{self._seed} {self._exchanges}")  # noqa: S311 - to be repeated
        fault = None if self._calm else draw(random)
        if fault == "redirect" and not is_for_s3(head):
            fault = "unavailable"
        if fault == "silence" and expects_continue(head) and random.random() < 0.5:
            fault = "silence while sending"  # no 100 Continue, and nothing of the body is read
        if fault is not None:
            self.faults[fault] += 1
        return fault, random

    async def _send_a_part(self, request: bytes, random: Random) -> None:
        """Send the beginning of a request to the cloud, and hang up."""
        _, writer = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        writer.write(request[: random.randrange(len(request))])
        with suppress(OSError):
            await writer.drain()
            writer.close()
            await writer.wait_closed()


@contextmanager
def rough_network(upstream: str, seed: int, bundle: Path) -> Iterator[Proxy]:
    """Run a proxy in front of a cloud, in a thread, for the length of the block."""
    proxy = Proxy(upstream, seed, bundle)
    with entered_in_thread(proxy.listening()):
        yield proxy
