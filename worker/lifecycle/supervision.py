"""Supervision: if a background loop fails, the worker stops with an error naming the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from worker.clock import now
from worker.errors import FatalError, LoopFailed, stray_cancellations_as_errors
from worker.lifecycle.stop import Stop

Loop = Callable[[], Coroutine[Any, Any, None]]


class StopRequested(Exception):
    """A stop was requested before the worker had started."""


async def supervise(name: str, loop: Loop) -> None:
    """Run a loop to its end; its failure becomes a LoopFailed, unless it is a FatalError.

    A CancelledError that nobody requested is a failure too.
    """
    try:
        with stray_cancellations_as_errors():
            await loop()
    except Exception as error:  # noqa: BLE001 - any failure of a loop must stop the worker
        cause = _innermost(error)
        if isinstance(cause, FatalError):
            raise cause from None
        raise LoopFailed(f"the {name} loop failed: {type(cause).__name__}: {cause}") from cause


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


@asynccontextmanager
async def background(name: str, loop: Loop) -> AsyncIterator[None]:
    """Run a loop beside the block and cancel it at the end; if it fails, the block fails."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(supervise(name, loop), name=name)
        try:
            yield
        finally:
            task.cancel()


async def cancel_all(tasks: Collection["asyncio.Future[Any]"]) -> None:
    """Cancel tasks, and wait until they have ended, in whatever way.

    After asyncio.gather a cycle of references would keep them, and what they hold, until garbage is
    collected.
    """
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # retrieved so that asyncio does not log it


async def wait_then_cancel(task: "asyncio.Future[Any]", seconds: float) -> bool:
    """Wait for a task, then cancel it; returns whether it ended before that.

    For a caller that has been cancelled itself: a further cancellation does not shorten the wait.
    """
    deadline = now() + seconds
    while not task.done() and now() < deadline:
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task], timeout=deadline - now())
    ended_in_time = not task.cancel()
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    if not task.cancelled():
        # Retrieved so that asyncio does not log it: the caller raises its own cancellation.
        task.exception()
    return ended_in_time


@asynccontextmanager
async def cancel_on_stop(stop: Stop) -> AsyncIterator[None]:
    """Cancel the block when a stop is requested; raises StopRequested then."""
    block = asyncio.timeout(None)
    try:
        async with block, background("stop", partial(_expire_on_stop, block, stop)):
            yield
    except TimeoutError:
        raise StopRequested from None


async def _expire_on_stop(block: asyncio.Timeout, stop: Stop) -> None:
    await stop.wait()
    block.reschedule(now())
