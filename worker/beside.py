"""A loop that runs beside a block."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a loop for the length of the block; when the loop fails, so does the block."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(loop)
        try:
            yield
        finally:
            task.cancel()
