"""A server for tests, on a free port of this machine."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve for the length of the block, at the URL that is the value; over TLS if that is given.

    At the end of the block every connection is closed, also one that its handler still waits on.
    """
    # Nothing else keeps a reference to the task of a connection whose client has hung up.
    conversations: set[asyncio.Task[None]] = set()

    def begin(reader: StreamReader, writer: StreamWriter) -> None:
        conversation = asyncio.create_task(_converse(handler, reader, writer))
        conversations.add(conversation)
        conversation.add_done_callback(conversations.discard)

    # The other side may never say that it closes TLS, and nobody has to wait for that.
    ending: dict[str, Any] = {"ssl": tls, "ssl_shutdown_timeout": 0.1} if tls else {}
    server = await asyncio.start_server(begin, "127.0.0.1", 0, **ending)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    finally:
        server.close()
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)


async def _converse(handler: Handler, reader: StreamReader, writer: StreamWriter) -> None:
    try:
        await handler(reader, writer)
    except (OSError, EOFError):  # the client has hung up
        pass
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
