"""The event sender: batches, entries that fail, calls that fail, and callers that leave."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.fakes.bus import ROUND_TRIP_SECONDS, FakeBus
from worker.clock import now
from worker.errors import FatalError, InfrastructureError, TransientError
from worker.events.bus import BATCH_SIZE, MAX_BATCH_BYTES, Event
from worker.events.sender import LEAST_SECONDS, MAX_PAUSE_SECONDS, EventSender

EVENT = Event("File Predicted", "{}")


def events(count: int, size: int = 10) -> list[Event]:
    return [Event("File Predicted", f"{number:0{size}}") for number in range(count)]


async def send_all(sender: EventSender, some: Sequence[Event], seconds: float = 30) -> None:
    async with asyncio.TaskGroup() as group:
        for event in some:
            group.create_task(sender.send(event, seconds))


async def test_a_lone_event_is_sent_at_once() -> None:
    bus = FakeBus()
    sender = EventSender(bus)
    async with sender.sending():
        await sender.send(EVENT, 30)
    assert bus.taken == [EVENT]
    assert now() == pytest.approx(ROUND_TRIP_SECONDS)


async def test_events_that_come_during_a_call_make_up_the_next_one() -> None:
    bus = FakeBus()
    sender = EventSender(bus)
    async with sender.sending(), asyncio.TaskGroup() as group:
        first, *others = events(12)
        group.create_task(sender.send(first, 30))
        await asyncio.sleep(ROUND_TRIP_SECONDS / 2)
        for event in others:
            group.create_task(sender.send(event, 30))
    assert [len(batch) for _, batch in bus.calls] == [1, BATCH_SIZE, 1]


async def test_a_batch_stays_below_the_bytes_that_eventbridge_takes() -> None:
    bus = FakeBus()
    sender = EventSender(bus)
    async with sender.sending():
        await send_all(sender, events(10, size=MAX_BATCH_BYTES // 4))
    assert [len(batch) for _, batch in bus.calls] == [4, 4, 2]


async def test_an_entry_that_fails_is_sent_again_and_no_other_is() -> None:
    bus = FakeBus()
    bus.fail_entries = 1
    sender = EventSender(bus)
    async with sender.sending():
        await send_all(sender, events(5))
    assert sorted(event.detail for event in bus.taken) == [event.detail for event in events(5)]
    assert [len(batch) for _, batch in bus.calls] == [5, 1]


async def test_an_event_that_is_never_taken_holds_up_no_other() -> None:
    bad, *good = events(30)

    class Picky(FakeBus):
        async def put_events(self, events: Sequence[Event]) -> list[str | None]:
            self.taken += [event for event in events if event != bad]
            return ["MalformedDetail" if event == bad else None for event in events]

    bus = Picky()
    sender = EventSender(bus)
    async with sender.sending(), asyncio.TaskGroup() as group:
        refused = group.create_task(failing(sender, bad))
        await send_all(sender, good)
        assert not refused.done()
    assert bus.taken == good
    assert refused.result() == "no event was sent within 30 s: MalformedDetail"


async def failing(sender: EventSender, event: Event, seconds: float = 30) -> str:
    with pytest.raises(TransientError) as raised:
        await sender.send(event, seconds)
    return str(raised.value)


async def test_an_outage_is_waited_for_with_growing_pauses() -> None:
    bus = FakeBus()

    def outage(_: Sequence[Event]) -> None:
        if now() < 20:
            raise InfrastructureError("503")

    bus.before = outage
    sender = EventSender(bus)
    async with sender.sending():
        await sender.send(EVENT, 30)
    times = [time for time, _ in bus.calls]
    assert 20 <= now() < 20 + MAX_PAUSE_SECONDS + 1
    assert len(times) < 10
    assert bus.taken == [EVENT]


async def test_an_outage_is_waited_for_once_and_not_once_for_each_event() -> None:
    bus = FakeBus()

    def outage(_: Sequence[Event]) -> None:
        raise InfrastructureError("503")

    bus.before = outage
    sender = EventSender(bus)
    async with sender.sending():
        await failing(sender, EVENT)
        assert now() == pytest.approx(30)
        await failing(sender, EVENT)
        assert now() == pytest.approx(30 + LEAST_SECONDS)
        bus.before = None
        await sender.send(EVENT, 30)
        bus.before = outage
        await failing(sender, EVENT)
    assert now() > 60 + LEAST_SECONDS


async def test_a_caller_waits_no_longer_than_it_wants_also_for_a_call_that_hangs() -> None:
    class Hanging(FakeBus):
        async def put_events(self, _: Sequence[Event]) -> list[str | None]:
            await asyncio.Event().wait()
            return []

    sender = EventSender(Hanging())
    async with sender.sending():
        assert "within 1 s" in await failing(sender, EVENT, seconds=1)
    assert now() == pytest.approx(1)


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    bus = FakeBus()
    sender = EventSender(bus)
    await failing(sender, EVENT, seconds=1)  # nothing sends yet
    async with sender.sending():
        await asyncio.sleep(10)
    assert bus.calls == []


async def test_refused_credentials_end_the_worker() -> None:
    bus = FakeBus()

    def refuse(_: Sequence[Event]) -> None:
        raise FatalError("the credentials are refused")

    bus.before = refuse
    sender = EventSender(bus)
    with pytest.raises(ExceptionGroup, match="unhandled") as raised:
        async with sender.sending():
            await sender.send(EVENT, 30)
    assert raised.group_contains(FatalError, match="refused")
