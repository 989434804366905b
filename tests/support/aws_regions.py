"""S3 in several regions under AWS's own names, on this machine; one server has all the objects.

A client reaches these names by HTTPS_PROXY: the proxy leads each of them here. So the client takes
hosts from the SDK's own table, as in production.
"""

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.certificates import server_context
from tests.support.http_messages import header, read_head, with_length
from tests.support.s3_refusals import REGION_HEADER, refusal, target_of
from tests.support.tcp_server import served
from tests.support.tls_front import Front

HOST = re.compile(r"(?:([a-z0-9.-]+)\.)?s3(?:[.-]([a-z]+-[a-z]+-\d))?\.amazonaws\.com")
SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/([^/]+)/s3/")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    region: str  # of the host
    signed_for: str
    condition: str | None


class Regions(Front):
    """Answers a request for a bucket of another region as S3 does, and passes on the others."""

    def __init__(self, upstream: str, bundle: Path, homes: Mapping[str, str]) -> None:
        super().__init__(upstream, bundle)
        self.homes = homes
        self.code = "PermanentRedirect"  # of the answer to a request in a wrong region
        self.names_region = {"object", "bucket"}  # the answers to requests for these name it
        self.asked: list[Asked] = []
        self.hosts: set[str] = set()
        self._proxy = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"HTTPS_PROXY": self._proxy, "AWS_CA_BUNDLE": str(self.bundle)}

    @asynccontextmanager
    async def reachable(self) -> AsyncIterator[None]:
        """Serve for the length of the block."""
        async with AsyncExitStack() as opened:
            tls = server_context(self.bundle)
            self.url = await opened.enter_async_context(served(self.converse, tls))
            self._proxy = await opened.enter_async_context(served(self._tunnel))
            yield

    def forget(self) -> None:
        """Forget what was asked until now."""
        self.asked.clear()
        self.hosts.clear()
        self.seen.clear()

    def home_of(self, bucket: str, _asked_in: str) -> str:
        """Return the region in which S3 says that a bucket is, when asked in a region."""
        return self.homes[bucket]

    def own_answer(self, head: bytes) -> bytes | None:
        if (found := HOST.fullmatch(header(head, "Host") or "")) is None:
            return None  # another service
        bucket, region = found[1], found[2] or "us-east-1"
        signature = SIGNED_FOR.search(header(head, "Authorization") or "")
        assert signature is not None
        method = head.split(b" ")[0].decode()
        asked = Asked(method, target_of(head), region, signature[1], _condition(head))
        self.asked.append(asked)
        home = self.home_of(bucket, region)
        if asked.region != home:
            return self._redirect(head, bucket, home)
        if asked.signed_for != home:
            return self._wrong_signature(head, home)
        if asked.target == "/" and method == "HEAD":
            return _found(self._named(head, home))
        return None

    def forwarded(self, head: bytes) -> bytes:
        """Return the head as the server of the objects takes it, with the bucket in the path."""
        if (found := HOST.fullmatch(header(head, "Host") or "")) is None:
            return head
        method, target, rest = head.split(b" ", 2)
        rest = re.sub(rb"(?im)^host:.*\r$", b"Host: localhost\r", rest)
        return b" ".join([method, b"/%s%s" % (found[1].encode(), target), rest])

    def _redirect(self, head: bytes, bucket: str, home: str) -> bytes:
        headers = self._named(head, home)
        if self.code == "TemporaryRedirect":
            there = f"https://{bucket}.s3-{home}.amazonaws.com{target_of(head)}"
            return refusal(head, 307, self.code, headers=headers | {"Location": there})
        status = 301 if self.code == "PermanentRedirect" else 400
        return refusal(head, status, self.code, headers=headers)

    def _wrong_signature(self, head: bytes, home: str) -> bytes:
        headers = {REGION_HEADER: home} if head.startswith(b"HEAD ") else {}
        fields = {"Region": home}
        return refusal(head, 400, "AuthorizationHeaderMalformed", fields=fields, headers=headers)

    def _named(self, head: bytes, home: str) -> dict[str, str]:
        kind = "bucket" if target_of(head) == "/" else "object"
        return {REGION_HEADER: home} if kind in self.names_region else {}

    async def _tunnel(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Lead a connection to the name that CONNECT asks for to this machine."""
        self.hosts.add(target_of(await read_head(reader)))
        port = urlsplit(self.url).port
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, to_server))
                both.create_task(_pump(from_server, writer))
        finally:
            to_server.close()


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


def _found(headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return with_length(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode(), 0)


def _condition(head: bytes) -> str | None:
    return header(head, "If-None-Match") or header(head, "If-Match")
