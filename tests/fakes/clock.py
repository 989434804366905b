"""An event loop on a virtual clock: where it would wait, time jumps to the next timer."""

import asyncio
import selectors


class _Jumping(selectors.SelectSelector):
    """A selector that has nothing to look at, and lets the time pass that it is given to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: nothing is due, and nothing can happen any more")
        if timeout > 0:
            self.jumped += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at second 0; no threads and no sockets, as their time is not its own."""

    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.jumped
