"""Messages of HTTP/1.1, read whole: requests as clients send them, and the answers to them.

A head is kept as the bytes that came, with its empty line.
"""

import asyncio
import re
from asyncio import StreamReader
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import SplitResult

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
# These belong to one connection, not to the message.
HOP_BY_HOP = ("Transfer-Encoding", "Expect", "Connection", "Keep-Alive", "Content-Length")


def header(head: bytes, name: str) -> str | None:
    """Return the value of a header, or None if the head has none of that name."""
    found = re.search(
        rb"^%s:[ \t]*(.*?)[ \t]*\r?$" % name.encode(), head, re.IGNORECASE | re.MULTILINE
    )
    return None if found is None else found[1].decode()


def expects_continue(head: bytes) -> bool:
    """Return whether a client sends its body only after `100 Continue`."""
    return (header(head, "Expect") or "").lower() == "100-continue"


async def read_head(reader: StreamReader) -> bytes:
    """Read the head of a message, after any `100 Continue`."""
    head = CONTINUE
    while head.startswith(b"HTTP/1.1 100"):
        head = await reader.readuntil(b"\r\n\r\n")
    return head


async def read_body(head: bytes, reader: StreamReader) -> bytes:
    """Read the body that belongs to a head, by its length or in its chunks."""
    if (header(head, "Transfer-Encoding") or "").lower() == "chunked":
        return b"".join([chunk async for chunk in _chunks(reader)])
    return await reader.readexactly(int(header(head, "Content-Length") or 0))


async def _chunks(reader: StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # a trailer


def with_length(head: bytes, size: int) -> bytes:
    """Return a head with the length of its body, and without what belongs to a connection."""
    names = "|".join(HOP_BY_HOP).encode()
    rest = re.sub(rb"(?im)^(?:%s):.*\r\n" % names, b"", head)
    return rest[:-2] + b"Content-Length: %d\r\n\r\n" % size


async def ask(upstream: SplitResult, head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Send a request on a connection of its own; return its answer's head and body."""
    reader, writer = await asyncio.open_connection(upstream.hostname, upstream.port)
    try:
        writer.write(with_length(head, len(body)) + body)
        await writer.drain()
        answer = await read_head(reader)
        if head.startswith(b"HEAD "):  # its Content-Length is that of the object
            return answer, b""
        content = await read_body(answer, reader)
        return with_length(answer, len(content)), content
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
