"""A server for tests, on a free port of this machine."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

Handler = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Serve for the length of the block, at the URL that is the value.

    At the end of the block every connection is closed, also one that its handler still waits on.
    """
    # Nothing else keeps a reference to the task of a connection whose client has hung up.
    conversations: set[asyncio.Task[None]] = set()

    def begin(reader: StreamReader, writer: StreamWriter) -> None:
        conversation = asyncio.create_task(_converse(handler, reader, writer))
        conversations.add(conversation)
        conversation.add_done_callback(conversations.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
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
