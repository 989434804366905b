"""A command's coroutine, which the first signal cancels."""

import asyncio
import signal
import sys
from collections.abc import Coroutine

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_until_signal(work: Coroutine[None, None, None]) -> int:
    """Run the coroutine to its end, or until a signal; return the exit status."""
    return asyncio.run(_run(work))


async def _run(work: Coroutine[None, None, None]) -> int:
    """Run the coroutine; the first signal cancels it, and later signals are ignored.

    So a second Ctrl-C cannot interrupt the clean-up.
    """
    task = asyncio.ensure_future(work)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        if not received:
            received.append(number)
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not received:
            raise
        print("\nstopped; nothing is left running", file=sys.stderr)
        return 128 + received[0]
    return 0
