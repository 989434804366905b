"""Signals before the worker can stop in order: the process ends at once, with status 0.

It imports nothing that takes time, because its handlers are installed before everything else is
imported. Without a handler the first process of a container would ignore a stop signal.
"""

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

STDERR = 2

before_exit: list[Callable[[], None]] = []  # what the exit by a signal does first


def install() -> None:
    """End the process at the first SIGTERM or SIGINT, until other handlers are installed."""
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)


def _exit(number: int, _: FrameType | None) -> NoReturn:
    # Nothing has been received, so there is nothing to release. An exception instead would go
    # through whatever is being imported.
    try:
        for call in before_exit:
            call()
        os.write(STDERR, _line(signal.Signals(number).name).encode())
    finally:
        os._exit(0)


def _line(reason: str) -> str:
    """Return the log line `stopped`, as `worker.logs` would write it: that is not imported yet."""
    log_format = os.environ.get("WORKER_LOG_FORMAT")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if log_format == "console" or (log_format != "json" and os.isatty(STDERR)):
        return f"{now} [info     ] stopped                        reason={reason}\n"
    return f'{{"reason": "{reason}", "event": "stopped", "level": "info", "timestamp": "{now}"}}\n'
