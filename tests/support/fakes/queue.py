"""The worker's own queue on a simulated SQS, so that a test may watch and disturb every call."""

import asyncio
import itertools
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from tests.support.simulation.behaviour import ORDERLY, SqsBehaviour
from tests.support.simulation.effects import now
from tests.support.simulation.message import StoredMessage
from tests.support.simulation.queue import DEFAULTS, SimulatedQueue
from tests.support.simulation.sqs import SimulatedSqs
from worker.job import Message
from worker.queue.sqs import EntryResult, RedrivePolicy, SqsQueue

__all__ = ["FakeQueue", "now"]

T = TypeVar("T")

QUEUE, DEAD = "q", "dlq"
ENDLESS = 1000  # receives, the most that a redrive policy allows


class FakeQueue(SqsQueue):
    """Its `max_receive_count` is that of the redrive policy; None for no dead-letter queue.

    `before` is called with the name and the arguments of every call, and may raise or wait; every
    call is kept in `calls` with the time it came. So many entries as `fail_entries` says fail.
    """

    def __init__(
        self,
        visibility_seconds: int = 30,
        max_receive_count: int | None = ENDLESS,
        behaviour: SqsBehaviour = ORDERLY,
    ) -> None:
        sqs: Any = SimulatedSqs(random.Random(0), behaviour)  # noqa: S311 - a seed
        super().__init__(QUEUE, sqs, sqs)
        self._dead = SimulatedQueue(DEAD, dict(DEFAULTS))
        self._jobs = SimulatedQueue(
            QUEUE, DEFAULTS | {"VisibilityTimeout": str(visibility_seconds)}
        )
        if max_receive_count is not None:
            policy = {"deadLetterTargetArn": self._dead.arn, "maxReceiveCount": max_receive_count}
            self._jobs.attributes["RedrivePolicy"] = json.dumps(policy)
            self._dead_letter_url = self._dead.url
        self._redrive = RedrivePolicy(max_receive_count)
        self._url = self._jobs.url
        sqs.queues |= {QUEUE: self._jobs, DEAD: self._dead}
        self._numbers = itertools.count()
        self.calls: list[tuple[float, str, object]] = []
        self.before: Callable[[str, object], object] | None = None
        self.fail_entries = 0

    @property
    def messages(self) -> dict[str, StoredMessage]:
        return self._jobs.messages

    @property
    def dead(self) -> list[tuple[str, dict[str, str]]]:
        """Bodies and attributes of what is in the dead-letter queue."""
        return [
            (message.body, {name: text["StringValue"] for name, text in message.attributes.items()})
            for message in self._dead.messages.values()
        ]

    def send(self, body: str) -> str:
        message = StoredMessage(f"m{next(self._numbers)}", body, {}, now(), now())
        self._jobs.add(message)
        return message.id

    def visible(self) -> list[StoredMessage]:
        return self._jobs.visible()

    def named(self, call: str) -> list[object]:
        return [arguments for _, name, arguments in self.calls if name == call]

    async def receive(self, limit: int, wait_seconds: int) -> list[Message]:
        await self._called("receive", (limit, wait_seconds))
        return await super().receive(limit, wait_seconds)

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        await self._called("delete", list(handles))
        return await self._each(handles, super().delete)

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        await self._called("change_visibility", list(changes))
        return await self._each(changes, super().change_visibility)

    async def send_to_dead_letters(self, body: str, attributes: Mapping[str, str]) -> bool:
        await self._called("dead_letter", (body, attributes))
        return await super().send_to_dead_letters(body, attributes)

    async def _called(self, name: str, arguments: object) -> None:
        self.calls.append((now(), name, arguments))
        await asyncio.sleep(0.01)  # a round trip, on the virtual clock
        if self.before is not None:
            answer = self.before(name, arguments)
            if asyncio.iscoroutine(answer):
                await answer

    async def _each(
        self, entries: Sequence[T], ask: Callable[[Sequence[T]], Awaitable[list[EntryResult]]]
    ) -> list[EntryResult]:
        """Fail the first entries, if they are to, and ask SQS about the rest."""
        count = min(self.fail_entries, len(entries))
        self.fail_entries -= count
        rest = entries[count:]
        return [EntryResult.FAILED] * count + (await ask(rest) if rest else [])
