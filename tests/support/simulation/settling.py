"""Deletes messages, and changes their visibility, by receipt handle."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tests.support.simulation.behaviour import SqsBehaviour, happens
from tests.support.simulation.effects import Deleted, SqsEffect, VisibilityChanged, now
from tests.support.simulation.errors import refused
from tests.support.simulation.message import StoredMessage
from tests.support.simulation.queue import SimulatedQueue
from tests.support.simulation.requests import PREFIX, check_batch, check_visibility

Entry = Mapping[str, Any]  # shaped by botocore's models: what a key holds depends on the key


@dataclass
class Settling:
    """Settles messages as the simulated behaviour says, and reports each effect."""

    randomness: random.Random
    behaviour: SqsBehaviour
    report: Callable[[SqsEffect], None]

    def delete(self, queue: SimulatedQueue, handle: str) -> None:
        """Delete a message; succeeds if it was deleted before."""
        message = _message_of("DeleteMessage", queue, handle)
        if message is not None and self._counts("DeleteMessage", message, handle):
            del queue.messages[message.id]
            self.report(Deleted(queue.name, message.id, handle, now()))

    def change(self, queue: SimulatedQueue, handle: str, seconds: int) -> None:
        """Make a message visible in that many seconds."""
        operation = "ChangeMessageVisibility"
        message = _message_of(operation, queue, handle)
        if message is None:
            raise refused(
                operation,
                "InvalidParameterValue",
                "Message does not exist or is not available for visibility timeout change.",
            )
        check_visibility(seconds, message.handles[handle], now())
        if self._counts(operation, message, handle):
            message.visible_at = now() + seconds
            queue.changed()
            self.report(
                VisibilityChanged(queue.name, message.id, handle, message.visible_at, now())
            )

    def each(
        self, operation: str, entries: Sequence[Entry], apply: Callable[[Entry], None]
    ) -> dict[str, Any]:
        """Apply every entry of a batch; returns the result of each."""
        check_batch(operation, entries)
        successful: list[Entry] = []
        failed: list[Entry] = []
        for entry in entries:
            failure = self._failure(entry, apply)
            if failure is None:
                successful.append({"Id": entry["Id"]})
            else:
                failed.append({"Id": entry["Id"], **failure})
        lists = {"Successful": successful, "Failed": failed}
        return {name: results for name, results in lists.items() if results}

    def _failure(self, entry: Entry, apply: Callable[[Entry], None]) -> Entry | None:
        internal = {"Code": "InternalError", "SenderFault": False, "Message": "Try again."}
        if happens(self.randomness, self.behaviour.failed_entries):
            return internal
        try:
            apply(entry)
        except ClientError as error:
            return {**error.response["Error"], "SenderFault": True}
        return internal if happens(self.randomness, self.behaviour.failed_though_applied) else None

    def _counts(self, operation: str, message: StoredMessage, handle: str) -> bool:
        """Return whether the handle has an effect; raises if it is stale and refused."""
        if message.is_held_by(handle) or self.behaviour.stale_handles == "honoured":
            return True
        if self.behaviour.stale_handles == "ignored":
            return False
        if operation == "ChangeMessageVisibility" and not message.in_flight:
            raise refused(operation, PREFIX + "MessageNotInflight", "It is not in flight.")
        raise refused(operation, "ReceiptHandleIsInvalid", "The receipt handle has expired.")


def _message_of(operation: str, queue: SimulatedQueue, handle: str) -> StoredMessage | None:
    """Return the message; None if it has left the queue."""
    if handle not in queue.issued:
        raise refused(operation, "ReceiptHandleIsInvalid", "It is not valid for this queue.")
    return queue.messages.get(queue.issued[handle])
