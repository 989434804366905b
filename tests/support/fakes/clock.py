"""An event loop on a virtual clock: where it would wait, time jumps to the next timer."""

# ruff: noqa: ANN401 - the signatures are those of event loops
import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any

from worker.clock import now

EARLY_SECONDS = 1e-9  # as in asyncio's own loops, a timer may fire slightly early


class VirtualLoop(asyncio.BaseEventLoop):
    """Starts at second 0. Supports no threads and no sockets, since they take real time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._soon: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = (
            itertools.count()
        )  # timers of the same time fire in the order of their creation

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override] # the arguments depend on the callback
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment] # the loop never sleeps, so nothing wakes it

    def call_at(  # type: ignore[override] # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def jump(self, seconds: float) -> None:
        """Let time pass in which nothing runs, as for a suspended process."""
        self._now += seconds

    def run_again(self, handles: Iterable[asyncio.Handle]) -> None:
        """Run handles that an overriding `run` has postponed."""
        self._soon.extend(handles)

    def run(self, handle: asyncio.Handle) -> None:
        """Run a handle that is due."""
        handle._run()

    def _run_once(self) -> None:
        """Run all handles that are due; the base class calls this until the loop is stopped."""
        if not self._soon:
            self._jump()
        while self._timers and self._timers[0][0] < self._now + EARLY_SECONDS:
            self._soon.append(heapq.heappop(self._timers)[2])
        for _ in range(len(self._soon)):
            handle = self._soon.popleft()
            if not handle.cancelled():
                self.run(handle)

    def _jump(self) -> None:
        """Set the clock to the time of the next timer."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise RuntimeError("deadlock: no handle is due and no timer is set")
        self.jump(max(0.0, self._timers[0][0] - self._now))


def jump(seconds: float) -> None:
    """Let time pass in which nothing runs, as for a suspended process."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.jump(seconds)


async def ignore_cancellation_until(end: float) -> None:
    """Wait until that time; a cancellation does not shorten the wait."""
    while now() < end:
        try:
            await asyncio.sleep(end - now())
        except asyncio.CancelledError:
            continue
