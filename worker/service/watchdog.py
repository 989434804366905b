"""The watchdog: a thread that ends the process when the event loop is stuck."""

import asyncio
import faulthandler
import os
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

import structlog

from worker.clock import now
from worker.errors import FatalError
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import supervise
from worker.service.start_limit import START_SECONDS

log = structlog.get_logger()

TICK_SECONDS = 1.0
LATE_SECONDS = 1.0
LAG_WINDOW_SECONDS = 60.0
MAX_BLOCKED_SECONDS = 60.0
# After the drain only the pool and the clients have to close. With the default drain of 90 s the
# watchdog logs well before ECS kills the task, at most 120 s after the stop.
GRACE_SECONDS = 15.0
LAST_LOG_SECONDS = 2.0
STDERR = 2
NET_SECONDS = 600.0  # without a round of the watchdog's thread


class Watchdog:
    """Ends the process with status 1 if the event loop is stuck, or if a stop does not end.

    It counts rounds of its own thread and not seconds: a process that was suspended has missed
    these rounds as well as the loop's ticks, so that it is not taken for a stuck one.

    A C call that holds the interpreter's lock stops this thread too. Below it is a net: a thread
    in C, by `faulthandler`, that writes the stacks and ends the process with status 1 unless this
    thread puts the end off in each round. It counts seconds, so it also ends a process that was
    suspended for as long; by then SQS has delivered its messages to other workers.
    """

    def __init__(
        self,
        stop: Stop,
        drain_seconds: float,
        *,
        tick_seconds: float = TICK_SECONDS,
        max_blocked_seconds: float = MAX_BLOCKED_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        start_seconds: float = START_SECONDS,
        net_seconds: float = NET_SECONDS,
        on_lag: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._stop = stop
        self._on_lag = on_lag
        self._tick_seconds = tick_seconds
        self._max_blocked_seconds = max_blocked_seconds
        self._max_start_seconds = start_seconds
        self._net_seconds = net_seconds
        self._max_stop_seconds = drain_seconds + grace_seconds
        self._ticks = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        """Watch for the length of the block; the first tick may take as long as a start may."""
        self._put_off_the_end()
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()

    async def ticks(self) -> None:
        """Tick until cancelled, and warn of lag; raises FatalError if the lag persists."""
        try:
            await supervise("watchdog", self._tick)
        except FatalError as error:
            self._stop.request(f"failed: {error}")  # the watchdog limits the time from here on
            raise

    async def _tick(self) -> None:
        self._loop = asyncio.get_running_loop()
        lag = Lag()
        while True:
            self._ticks += 1
            due = now() + self._tick_seconds
            await asyncio.sleep(self._tick_seconds)
            if self._ticks == 1:
                continue  # the clients were opened meanwhile, which takes seconds on a small vCPU
            late = now() - due
            self._on_lag(late)
            lag.note(late)

    def _watch(self) -> None:
        silent = stopping = ticks = 0
        while not self._over.wait(self._tick_seconds):
            self._put_off_the_end()
            silent = silent + 1 if ticks == self._ticks else 0
            stopping = stopping + 1 if self._stop.reason is not None else 0
            ticks = self._ticks
            # Before the first tick the worker's own libraries are imported.
            limit = self._max_blocked_seconds if ticks else self._max_start_seconds
            if silent * self._tick_seconds >= limit:
                why = "the event loop is stuck" if ticks else "the worker has not started"
                self._give_up(f"{why}: no tick for {limit:g} s", _main_stack)
            if stopping * self._tick_seconds >= self._max_stop_seconds:
                why = f"the worker has not ended {self._max_stop_seconds:g} s after the stop"
                self._give_up(f"{why} ({self._stop.reason})", self._stack_and_tasks)

    def _put_off_the_end(self) -> None:
        # By number: for a file object it would call `flush`, which hangs if the pipe is full.
        faulthandler.dump_traceback_later(self._net_seconds, exit=True, file=STDERR)

    def _give_up(self, why: str, where: Callable[[], str]) -> NoReturn:
        exit_now(
            1,
            lambda: log.error(
                "worker failed",
                error_type="Watchdog",
                error=why,
                message_ids=list(self._stop.in_hand()),
                stack=where(),
            ),
        )

    def _stack_and_tasks(self) -> str:
        tasks = asyncio.all_tasks(self._loop) if self._loop is not None else ()
        return "\n".join([_main_stack(), *map(repr, tasks)])


class Lag:
    """The lag of the event loop in the last minute."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()

    def note(self, seconds: float) -> None:
        """Take note of how late a tick was, and warn of the first late one in a minute.

        Raises FatalError if more than half of a minute was lost, not counting the longest gap: a
        process that was suspended once does not lag.
        """
        while self._late and self._late[0][0] <= now() - LAG_WINDOW_SECONDS:
            self._late.popleft()
        if seconds <= LATE_SECONDS:
            return
        if not self._late:
            log.warning("event loop late", seconds=round(seconds, 1))
        self._late.append((now(), seconds))
        gaps = [gap for _, gap in self._late]
        lost = sum(gaps) - max(gaps)
        if lost > LAG_WINDOW_SECONDS / 2:
            raise FatalError(
                f"the event loop lags: {len(gaps)} ticks of the last {LAG_WINDOW_SECONDS:g} s "
                f"came late, by {sum(gaps):.0f} s together"
            )


def exit_now(status: int, last_log: Callable[[], object]) -> NoReturn:
    """Write a last log line, if that is possible, and end the process at once."""
    try:
        # In a thread of its own: a stuck thread may hold the log's lock, or the pipe may be full.
        logger = threading.Thread(target=last_log, name="last-log", daemon=True)
        logger.start()
        logger.join(LAST_LOG_SECONDS)
    finally:
        os._exit(status)


def _main_stack() -> str:
    thread = threading.main_thread().ident
    assert thread is not None
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way
    return "".join(traceback.format_stack(frame))
