"""Waiting for something that no event announces."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Only a hang lasts this long. A machine that is ten times slower than usual does not reach it.
HANG_SECONDS = 600
POLL_SECONDS = 0.1


def eventually(condition: Callable[[], T]) -> T:
    """Poll until the condition returns something true, and return that; fail after a hang."""
    deadline = time.monotonic() + HANG_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {HANG_SECONDS} s"
        time.sleep(POLL_SECONDS)
    return found


async def connections_closed() -> None:
    """Wait until the loop has no socket left: TLS takes leave of its peer before it closes one."""
    sockets = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    while len(sockets.get_map()) > 1:  # noqa: ASYNC110 - no event tells; the last one is the loop's
        await asyncio.sleep(POLL_SECONDS / 100)
