"""A front that speaks TLS as AWS does, before a server that speaks plain HTTP."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.aws_bodies import Refused, check, is_aws_chunked
from tests.support.certificates import server_context
from tests.support.http_messages import (
    CONTINUE,
    ask,
    expects_continue,
    header,
    read_body,
    read_head,
)
from tests.support.s3_refusals import refusal
from tests.support.tcp_server import served
from tests.support.threads import entered_in_thread


class Front:
    """Passes requests on, and checks bodies as S3 does."""

    answers_early = False  # its own answers come before the body is sent

    def __init__(self, upstream: str, bundle: Path) -> None:
        self.url = ""
        self.bundle = bundle
        self.seen: Counter[str] = Counter()  # how the bodies came
        self._upstream = urlsplit(upstream)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make a program use this front."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_CA_BUNDLE": str(self.bundle)}

    async def converse(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer the requests of one connection."""
        while await self._exchange(reader, writer):
            await writer.drain()

    async def _exchange(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Answer one request. Return False when the connection must be closed."""
        head = await read_head(reader)
        own = self.own_answer(head)
        if own and self.answers_early and expects_continue(head):
            writer.write(own)
            await writer.drain()
            return False  # the client has not sent the body, and will not
        if expects_continue(head):
            self.seen["100 Continue"] += 1
            writer.write(CONTINUE)
        body = await read_body(head, reader)
        writer.write(own or self._fault_of(head, body) or await self._passed_on(head, body))
        return True

    def own_answer(self, _head: bytes) -> bytes | None:
        """Return the front's own answer to a request, or None if the request is passed on."""
        return None

    def forwarded(self, head: bytes) -> bytes:
        """Return the head to pass on."""
        return head

    def _fault_of(self, head: bytes, body: bytes) -> bytes | None:
        """Return S3's answer to a body that does not fit its length or its checksums."""
        self.seen["aws-chunked"] += is_aws_chunked(head)
        self.seen["checksum"] += header(head, "x-amz-checksum-crc32") is not None
        try:
            check(head, body)
        except Refused as refused:
            return refusal(head, 400, str(refused))
        return None

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        answer, content = await ask(self._upstream, self.forwarded(head), body)
        return answer + content


@asynccontextmanager
async def fronted(front: Front) -> AsyncIterator[Front]:
    """Serve a front over TLS for the length of the block."""
    context = await asyncio.to_thread(server_context, front.bundle)
    async with served(front.converse, context) as front.url:
        yield front


@contextmanager
def tls_front(upstream: str, bundle: Path) -> Iterator[Front]:
    """Run a front in a thread, for the length of the block."""
    with entered_in_thread(fronted(Front(upstream, bundle))) as front:
        yield front
