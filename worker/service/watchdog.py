"""What ends the process when nothing else in it can: a thread beside the event loop."""

import asyncio
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

log = structlog.get_logger()

TICK_SECONDS = 1.0
LATE_SECONDS = 1.0
LAG_WINDOW_SECONDS = 60.0
LONGEST_BLOCKED_SECONDS = 60.0
# After the drain only the pool and the clients are left to close. With the default drain this still
# speaks before ECS kills: half of what lies between it and the longest stopTimeout.
GRACE_SECONDS = 15.0
LAST_WORDS_SECONDS = 2.0


class Watchdog:
    """Ends the process, with status 1, when the event loop is stuck or a stop does not end.

    Time is counted in the rounds of its own thread: a process that was suspended missed those as
    well as the loop's ticks, and is not taken for a stuck one when it wakes. A C call that keeps
    the interpreter's lock holds up this thread too; none that can take long runs in this process.
    """

    def __init__(
        self,
        stop: Stop,
        drain_seconds: float,
        *,
        tick_seconds: float = TICK_SECONDS,
        longest_blocked_seconds: float = LONGEST_BLOCKED_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self._stop = stop
        self._tick_seconds = tick_seconds
        self._longest_blocked_seconds = longest_blocked_seconds
        self._longest_stop_seconds = drain_seconds + grace_seconds
        self._ticks = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        """Watch for the length of the block; the event loop from its first tick on."""
        self._thread.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    async def ticks(self) -> None:
        """Tick until cancelled, and warn of lag; raises FatalError when it persists."""
        self._loop = asyncio.get_running_loop()
        lag = Lag()
        while True:
            self._ticks += 1
            due = now() + self._tick_seconds
            await asyncio.sleep(self._tick_seconds)
            if self._ticks == 1:
                continue  # over which the clients were opened: seconds, where the vCPU is small
            try:
                lag.note(now() - due)
            except FatalError as error:
                self._stop.request(f"failed: {error}")  # from here on it has to end
                raise

    def _watch(self) -> None:
        silent = stopping = ticks = 0
        while not self._over.wait(self._tick_seconds):
            silent = silent + 1 if ticks and ticks == self._ticks else 0
            stopping = stopping + 1 if self._stop.reason is not None else 0
            ticks = self._ticks
            if silent * self._tick_seconds >= self._longest_blocked_seconds:
                why = f"the event loop is stuck: no tick for {self._longest_blocked_seconds:g} s"
                self._give_up(why, _main_stack)
            if stopping * self._tick_seconds >= self._longest_stop_seconds:
                why = f"no end {self._longest_stop_seconds:g} s after the stop"
                self._give_up(f"{why} ({self._stop.reason})", self._what_is_left)

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

    def _what_is_left(self) -> str:
        tasks = asyncio.all_tasks(self._loop) if self._loop is not None else ()
        return "\n".join([_main_stack(), *map(repr, tasks)])


class Lag:
    """How late the event loop was, in the last minute."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()

    def note(self, seconds: float) -> None:
        """Take in how late a tick was, and warn of the first in a minute.

        Raises FatalError when more than half of a minute is lost, not counting the longest gap: a
        process that was suspended once is none that lags.
        """
        while self._late and self._late[0][0] <= now() - LAG_WINDOW_SECONDS:
            self._late.popleft()
        if seconds <= LATE_SECONDS:
            return
        if not self._late:
            log.warning("the event loop is late", seconds=round(seconds, 1))
        self._late.append((now(), seconds))
        gaps = [gap for _, gap in self._late]
        lost = sum(gaps) - max(gaps)
        if lost > LAG_WINDOW_SECONDS / 2:
            raise FatalError(
                f"the event loop lags: {len(gaps)} ticks of the last {LAG_WINDOW_SECONDS:g} s "
                f"came late, by {sum(gaps):.0f} s together"
            )


def exit_now(status: int, last_words: Callable[[], object]) -> NoReturn:
    """End the process at once, having let it speak if anybody reads what it says."""
    try:
        # In a thread of its own: whoever is stuck may hold the log's lock, or its pipe is full.
        speaker = threading.Thread(target=last_words, name="last-words", daemon=True)
        speaker.start()
        speaker.join(LAST_WORDS_SECONDS)
    finally:
        os._exit(status)


def _main_stack() -> str:
    thread = threading.main_thread().ident
    assert thread is not None
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - Python's own, and the only way
    return "".join(traceback.format_stack(frame))
