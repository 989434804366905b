"""Loops of the worker: one that dies takes the worker with it, and says which it was."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from worker.clock import now
from worker.errors import FatalError, LoopFailed
from worker.lifecycle.stop import Stop

Loop = Callable[[], Coroutine[Any, Any, None]]


class Stopped(Exception):
    """A stop came before the worker was ready."""


async def supervise(name: str, loop: Loop) -> None:
    """Run a loop to its end; raises FatalError when that is what ends it, else LoopFailed."""
    try:
        await loop()
    except Exception as error:  # noqa: BLE001 - of whatever it dies
        cause = _innermost(error)
        if isinstance(cause, FatalError):
            raise cause from None
        raise LoopFailed(f"the {name} loop died: {type(cause).__name__}: {cause}") from cause


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def background(name: str, loop: Loop) -> AsyncIterator[None]:
    """Run a loop for the length of the block; when the loop fails, so does the block."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise(name, loop), name=name)
        try:
            yield
        finally:
            task.cancel()


async def ended_within(task: "asyncio.Future[Any]", seconds: float) -> bool:
    """Wait for a task, then cancel it; tell whether it ended by itself.

    For who is cancelled: another cancellation changes nothing.
    """
    deadline = now() + seconds
    while not task.done() and now() < deadline:
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task], timeout=deadline - now())
    by_itself = not task.cancel()
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # looked at: who waits is ending of something else already
    return by_itself


@asynccontextmanager
async def cancel_on_stop(stop: Stop) -> AsyncIterator[None]:
    """Cancel the block when a stop is requested; raises Stopped then."""
    clock = asyncio.timeout(None)
    try:
        async with clock, background("stop", partial(_expire, clock, stop)):
            yield
    except TimeoutError:
        raise Stopped from None


async def _expire(clock: asyncio.Timeout, stop: Stop) -> None:
    await stop.wait()
    clock.reschedule(now())
