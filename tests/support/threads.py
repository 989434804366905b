"""Asynchronous context managers for tests that are not asynchronous."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def entered_in_thread(manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Hold a context manager open, on an event loop in a thread, for the length of the block."""
    entered: Future[T] = Future()
    leave: Future[None] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_hold(manager, entered, leave)))
    thread.start()
    try:
        yield entered.result()
    finally:
        leave.set_result(None)
        thread.join()


async def _hold(
    manager: AbstractAsyncContextManager[T], entered: "Future[T]", leave: "Future[None]"
) -> None:
    try:
        async with manager as value:
            entered.set_result(value)
            await asyncio.wrap_future(leave)
    except BaseException as error:
        if not entered.done():
            entered.set_exception(error)
        raise
