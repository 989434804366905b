"""The bus on EventBridge: every call to EventBridge is made here."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from worker.aws.call_limits import EVENTS_ATTEMPTS, EVENTS_READ_SECONDS, limited
from worker.aws.clients import client_config, open_client

SOURCE = "tidegate"
BATCH_SIZE = 10  # PutEvents takes at most this many entries in one call
MAX_BATCH_BYTES = 200 << 10  # of details in one call; EventBridge refuses 256 KB


@dataclass(frozen=True, slots=True)
class Event:
    """An event: its type, and its detail as ASCII JSON."""

    detail_type: str
    detail: str

    @classmethod
    def of(cls, detail_type: str, detail: Mapping[str, object]) -> "Event":
        """Make an event. Escaped to ASCII, as keys and messages may hold any character."""
        return cls(detail_type, json.dumps(detail))


class EventBus:
    """An event bus; the client is the SDK's."""

    def __init__(self, name: str, client: Any) -> None:  # noqa: ANN401 - its stubs are not installed
        self._name = name
        self._client = client

    async def put_events(self, events: Sequence[Event]) -> list[str | None]:
        """Send up to ten events; returns the error of each, or None if the bus has the event."""
        async with limited("put_events", f"sending events to {self._name}"):
            response = await self._client.put_events(
                Entries=[
                    {
                        "Source": SOURCE,
                        "DetailType": event.detail_type,
                        "Detail": event.detail,
                        "EventBusName": self._name,
                    }
                    for event in events
                ]
            )
        results = response.get("Entries", [])[: len(events)]
        # An entry that a garbled answer does not have may not have arrived.
        missing = [{"ErrorCode": "NoAnswer"}] * (len(events) - len(results))
        return [_error(result) for result in [*results, *missing]]


def _error(result: Mapping[str, str]) -> str | None:
    if "EventId" in result and not result.get("ErrorCode"):
        return None
    parts = [result.get("ErrorCode"), result.get("ErrorMessage")]
    return ": ".join(part for part in parts if part) or "no event id"


@asynccontextmanager
async def open_bus(name: str) -> AsyncIterator[EventBus]:
    """Open a client for the bus of a name or ARN; no call is made yet."""
    config = client_config(
        connections=2, read_seconds=EVENTS_READ_SECONDS, attempts=EVENTS_ATTEMPTS
    )
    async with open_client("events", config) as client:
        yield EventBus(name, client)
