"""The worker's own queue on a simulated SQS: a test can watch each call, and make it fail."""

import asyncio
import itertools
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from tests.support.simulation.behaviour import ORDERLY, SqsBehaviour
from tests.support.simulation.message import StoredMessage
from tests.support.simulation.queue import DEFAULTS, SimulatedQueue
from tests.support.simulation.sqs import SimulatedSqs
from worker.clock import now
from worker.job import Message
from worker.queue.sqs import EntryResult, RedrivePolicy, SqsQueue

T = TypeVar("T")

QUEUE, DEAD_LETTER_QUEUE = "q", "dlq"
MAX_RECEIVE_COUNT = 1000  # the largest that a redrive policy allows


class FakeQueue(SqsQueue):
    """A queue with a redrive policy of `max_receive_count`; None: without a dead-letter queue.

    `before` is called with the name and the arguments of every call, and may raise or wait. `calls`
    keeps every call with its time. The next `fail_entries` entries of batch calls fail.
    """

    def __init__(
        self,
        visibility_seconds: int = 30,
        max_receive_count: int | None = MAX_RECEIVE_COUNT,
        behaviour: SqsBehaviour = ORDERLY,
    ) -> None:
        sqs: Any = SimulatedSqs(random.Random(0), behaviour)  # noqa: S311 - a seed
        super().__init__(QUEUE, sqs, sqs)
        self._dead_letter_queue = SimulatedQueue(DEAD_LETTER_QUEUE, dict(DEFAULTS))
        self._simulated = SimulatedQueue(
            QUEUE, DEFAULTS | {"VisibilityTimeout": str(visibility_seconds)}
        )
        if max_receive_count is not None:
            policy = {
                "deadLetterTargetArn": self._dead_letter_queue.arn,
                "maxReceiveCount": max_receive_count,
            }
            self._simulated.attributes["RedrivePolicy"] = json.dumps(policy)
            self._dead_letter_url = self._dead_letter_queue.url
        self._redrive = RedrivePolicy(max_receive_count)
        self._url = self._simulated.url
        sqs.queues |= {QUEUE: self._simulated, DEAD_LETTER_QUEUE: self._dead_letter_queue}
        self._numbers = itertools.count()
        self.calls: list[tuple[float, str, object]] = []
        self.before: Callable[[str, object], object] | None = None
        self.fail_entries = 0

    @property
    def messages(self) -> dict[str, StoredMessage]:
        return self._simulated.messages

    @property
    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """The body and the attributes of each message in the dead-letter queue."""
        return [
            (message.body, {name: text["StringValue"] for name, text in message.attributes.items()})
            for message in self._dead_letter_queue.messages.values()
        ]

    def limit_dead_letters(self, size: int) -> None:
        """Let the dead-letter queue refuse messages of more bytes, attributes included."""
        self._dead_letter_queue.attributes["MaximumMessageSize"] = str(size)

    def send(self, body: str) -> str:
        message = StoredMessage(f"m{next(self._numbers)}", body, {}, now(), now())
        self._simulated.add(message)
        return message.id

    def visible(self) -> list[StoredMessage]:
        return self._simulated.visible()

    def calls_to(self, name: str) -> list[object]:
        """Return the arguments of each call of that name."""
        return [arguments for _, called, arguments in self.calls if called == name]

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
            waiting = self.before(name, arguments)
            if asyncio.iscoroutine(waiting):
                await waiting

    async def _each(
        self, entries: Sequence[T], call: Callable[[Sequence[T]], Awaitable[list[EntryResult]]]
    ) -> list[EntryResult]:
        """Fail as many entries as `fail_entries` asks for, and send the rest to SQS."""
        count = min(self.fail_entries, len(entries))
        self.fail_entries -= count
        rest = entries[count:]
        return [EntryResult.FAILED] * count + (await call(rest) if rest else [])


class ScriptedQueue(FakeQueue):
    """Sends nothing to SQS: `result_of` returns the result of each entry by its receipt handle.

    `deletes` and `changes` keep the entries of each batch, `times` when each batch was sent.
    """

    def __init__(self, result_of: Callable[[str], EntryResult] = lambda _: EntryResult.OK) -> None:
        super().__init__()
        self.result_of = result_of
        self.deletes: list[list[str]] = []
        self.changes: list[list[tuple[str, int]]] = []
        self.times: list[float] = []

    async def delete(self, handles: Sequence[str]) -> list[EntryResult]:
        self.deletes.append(list(handles))
        self.times.append(now())
        return [self.result_of(handle) for handle in handles]

    async def change_visibility(self, changes: Sequence[tuple[str, int]]) -> list[EntryResult]:
        self.changes.append(list(changes))
        self.times.append(now())
        return [self.result_of(handle) for handle, _ in changes]

    def pauses(self) -> list[float]:
        """Return the seconds from each batch to the next."""
        return [later - sooner for sooner, later in itertools.pairwise(self.times)]
