"""The one clock of the worker: the event loop's, so that tests can run it at their own pace."""

import asyncio


def now() -> float:
    """Tell the loop's time, in seconds."""
    return asyncio.get_running_loop().time()
