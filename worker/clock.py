"""The worker's one clock: the event loop's, which a test can replace by a virtual clock."""

import asyncio


def now() -> float:
    """Return the event loop's time, in seconds."""
    return asyncio.get_running_loop().time()
