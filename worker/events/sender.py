"""The event sender: sends what waits in batches, and what the bus did not take again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from worker.clock import now
from worker.errors import TransientError, error_text
from worker.events.bus import BATCH_SIZE, MAX_BATCH_BYTES, Event, EventBus
from worker.lifecycle.supervision import background

log = structlog.get_logger()

FIRST_PAUSE_SECONDS = 0.5  # after a call of which the bus did not take everything
MAX_PAUSE_SECONDS = 5.0
LEAST_SECONDS = 6.0  # in an outage: a call is made for each event


@dataclass(eq=False, slots=True)
class _Waiting:
    event: Event
    sent: asyncio.Event = field(default_factory=asyncio.Event)


class EventSender:
    """Sends events for callers that wait until the bus has them.

    One call is under way at a time. Events that come meanwhile make up the next call, so a lone
    event is sent at once, and a busy worker fills its batches.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._waiting: dict[_Waiting, None] = {}  # in the order of their arrival
        self._changed = asyncio.Event()
        self._pause = 0.0
        self._last_error = "no call has been made"
        self._failing_since: float | None = None  # no event was taken since then

    async def send(self, event: Event, seconds: float) -> None:
        """Return when the bus has the event; raises TransientError after that many seconds.

        An outage is waited for once, and not once for each event: the time in which the bus has
        taken nothing counts.
        """
        if self._failing_since is not None:
            left = seconds - (now() - self._failing_since)
            seconds = min(seconds, max(LEAST_SECONDS, left))
        waiting = _Waiting(event)
        self._waiting[waiting] = None
        self._changed.set()
        try:
            async with asyncio.timeout(seconds):
                await waiting.sent.wait()
        except TimeoutError as error:
            text = f"no event was sent within {seconds:.2g} s: {self._last_error}"
            raise TransientError(text) from error
        finally:
            self._waiting.pop(waiting, None)

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """Send for the length of the block."""
        async with background("events", self._send_until_cancelled):
            yield

    async def _send_until_cancelled(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(self._pause)
            while batch := self._next_batch():
                if not await self._put(batch):
                    self._changed.set()
                    break

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        for waiting in self._waiting:
            size += len(waiting.event.detail)
            if batch and (len(batch) == BATCH_SIZE or size > MAX_BATCH_BYTES):
                break
            batch.append(waiting)
        return batch

    async def _put(self, batch: Sequence[_Waiting]) -> bool:
        """Make one call; returns whether the bus took all of it."""
        try:
            errors = await self._bus.put_events([waiting.event for waiting in batch])
        except TransientError as error:
            errors = [error_text(error)] * len(batch)
        for waiting, error_of_entry in zip(batch, errors, strict=True):
            # Who does not wait any more has left already; that the bus has the event does no harm.
            if error_of_entry is None:
                waiting.sent.set()
            with suppress(KeyError):
                del self._waiting[waiting]
                if error_of_entry is not None:
                    self._waiting[waiting] = None  # behind the others: it may be the only bad one
        failed = [error for error in errors if error is not None]
        if len(failed) < len(batch):
            self._pause, self._failing_since = 0.0, None
        if not failed:
            return True
        self._last_error = failed[0]
        log.warning("events not taken, trying again", events=len(failed), error=failed[0])
        if len(failed) == len(batch) and self._failing_since is None:
            self._failing_since = now()
        self._pause = min(MAX_PAUSE_SECONDS, 2 * self._pause or FIRST_PAUSE_SECONDS)
        return False
