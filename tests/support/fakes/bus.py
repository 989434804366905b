"""An event bus that keeps what it took: a test can make calls and single entries fail."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from worker.clock import now
from worker.events.bus import BATCH_SIZE, Event, EventBus

ROUND_TRIP_SECONDS = 0.01


class FakeBus(EventBus):
    """`before` is called with each batch, and may raise. The next `fail_entries` entries fail."""

    def __init__(self) -> None:
        super().__init__("bus", None)
        self.calls: list[tuple[float, list[Event]]] = []
        self.taken: list[Event] = []
        self.before: Callable[[Sequence[Event]], object] | None = None
        self.fail_entries = 0

    @property
    def details(self) -> list[dict[str, Any]]:
        return [json.loads(event.detail) for event in self.taken]

    async def put_events(self, events: Sequence[Event]) -> list[str | None]:
        assert 0 < len(events) <= BATCH_SIZE
        self.calls.append((now(), list(events)))
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        if self.before is not None:
            self.before(events)
        failing = min(self.fail_entries, len(events))
        self.fail_entries -= failing
        self.taken += events[failing:]
        return ["InternalFailure"] * failing + [None] * (len(events) - failing)
