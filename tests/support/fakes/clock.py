"""An event loop on a virtual clock: where it would wait, time jumps to the next timer."""

# ruff: noqa: ANN401 - the signatures are those of event loops
import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any

EARLY_SECONDS = 1e-9  # as asyncio's own loops: a timer may fire sooner by the clock's resolution


class VirtualLoop(asyncio.BaseEventLoop):
    """Starts at second 0; no threads and no sockets, as their time is not its own."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._soon: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()  # of timers: those of one moment fire in their order

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override] # whose arguments are the callback's own
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment] # there is nothing to wake up

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
        """Let time pass in which nothing runs, as it does for a process that is suspended."""
        self._now += seconds

    def run_again(self, handles: Iterable[asyncio.Handle]) -> None:
        """Run handles that `run` has put off."""
        self._soon.extend(handles)

    def run(self, handle: asyncio.Handle) -> None:
        """Run what is due."""
        handle._run()

    def _run_once(self) -> None:
        """Run all that is due now: the base class calls this in a loop until it is stopped."""
        if not self._soon:
            self._jump()
        while self._timers and self._timers[0][0] < self._now + EARLY_SECONDS:
            self._soon.append(heapq.heappop(self._timers)[2])
        for _ in range(len(self._soon)):
            handle = self._soon.popleft()
            if not handle.cancelled():
                self.run(handle)

    def _jump(self) -> None:
        """Let the time until the next timer pass."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise RuntimeError("deadlock: nothing is due, and nothing can happen any more")
        self.jump(max(0.0, self._timers[0][0] - self._now))
