"""A queue in memory, on the event loop's clock, with SQS's documented semantics."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from worker.job import Message
from worker.queue import EntryResult

TICK = 0.001  # timers may fire a little early

StaleHandles = Literal["refused", "ignored", "honoured"]


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class Stored:
    id: str
    body: str
    visible_at: float = 0.0
    receives: int = 0
    handle: str = ""
    handles: set[str] = field(default_factory=set)


@dataclass
class FakeQueue:
    """Implements worker.sqs.Queue.

    `before` is called with the name and the arguments of every call, and may raise or wait; every
    call is kept in `calls` with the time it came.
    """

    visibility_seconds: int = 30
    max_receive_count: int | None = None
    has_dead_letter_queue: bool = True
    stale_handles: StaleHandles = "refused"
    messages: dict[str, Stored] = field(default_factory=dict)
    dead: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    calls: list[tuple[float, str, object]] = field(default_factory=list)
    before: Callable[[str, object], object] | None = None
    fail_entries: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, body: str) -> str:
        name = f"m{next(self._numbers)}"
        self.messages[name] = Stored(name, body)
        self._changed.set()
        return name

    def visible(self) -> list[str]:
        return [name for name, stored in self.messages.items() if stored.visible_at <= now() + TICK]

    def named(self, call: str) -> list[object]:
        return [arguments for _, name, arguments in self.calls if name == call]

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        await self._called("receive", (limit, wait_seconds))
        end = now() + wait_seconds
        while not (ready := self.visible()):
            times = [stored.visible_at for stored in self.messages.values()]
            self._changed.clear()
            try:
                async with asyncio.timeout_at(min([end, *times])):
                    await self._changed.wait()
            except TimeoutError:
                if now() >= end - TICK:
                    return []
        return [self._hand_out(self.messages[name]) for name in ready[: min(limit, 10)]]

    def _hand_out(self, stored: Stored) -> Message:
        stored.receives += 1
        stored.handle = f"{stored.id}/{stored.receives}"
        stored.handles.add(stored.handle)
        stored.visible_at = now() + self.visibility_seconds
        return Message(stored.id, stored.handle, stored.body, stored.receives)

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        await self._called("delete", list(handles))
        results = []
        for handle in handles:
            result, stored = self._look_up(handle)
            if stored is not None:
                del self.messages[stored.id]
                self.deleted.append(stored.id)
            results.append(result)
        return results

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        await self._called("change_visibility", list(changes))
        results = []
        for handle, seconds in changes:
            result, stored = self._look_up(handle)
            if stored is not None:
                stored.visible_at = now() + seconds
                self._changed.set()
            results.append(result)
        return results

    async def dead_letter(self, body: str, attributes: Mapping[str, str]) -> bool:
        await self._called("dead_letter", (body, attributes))
        if self.has_dead_letter_queue:
            self.dead.append((body, attributes))
        return self.has_dead_letter_queue

    def _look_up(self, handle: str) -> tuple[EntryResult, Stored | None]:
        if self.fail_entries:
            self.fail_entries -= 1
            return EntryResult.FAILED, None
        stored = next((s for s in self.messages.values() if handle in s.handles), None)
        if stored is None:
            return EntryResult.REFUSED, None
        if stored.handle == handle and stored.visible_at > now():
            return EntryResult.OK, stored
        match self.stale_handles:
            case "refused":
                return EntryResult.REFUSED, None
            case "ignored":
                return EntryResult.OK, None
            case "honoured":
                return EntryResult.OK, stored

    async def _called(self, name: str, arguments: object) -> None:
        self.calls.append((now(), name, arguments))
        await asyncio.sleep(0.01)  # a round trip, on the virtual clock
        if self.before is not None:
            answer = self.before(name, arguments)
            if asyncio.iscoroutine(answer):
                await answer
