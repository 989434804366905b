"""An event loop on a virtual clock: where it would wait, time jumps to the next timer."""

# ruff: noqa: ANN401 - the signatures are those of selectors
import asyncio
import selectors
from collections.abc import Mapping
from typing import Any


class _Jumping(selectors.BaseSelector):
    """A selector that never waits for longer than it takes to look."""

    def __init__(self, inner: selectors.BaseSelector) -> None:
        self._inner = inner
        self.jumped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: nothing is due, and nothing can happen any more")
        ready = self._inner.select(0)
        if not ready:
            self.jumped += max(0.0, timeout)
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at second 0; no threads and no sockets, as their time is not its own."""

    def __init__(self) -> None:
        self._clock = _Jumping(selectors.DefaultSelector())
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.jumped
