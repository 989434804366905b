"""The seam to the storage: what the worker asks of objects, and the values in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from worker.errors import TransientError
from worker.job import S3Uri


@dataclass(frozen=True, slots=True)
class Head:
    """What an object says of itself; the ETag without its quotes."""

    etag: str
    version_id: str | None = None
    size: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Object:
    """An object, whole."""

    head: Head
    body: bytes


class WriteConflict(TransientError):
    """The condition of a write did not hold: look at the object and decide again."""


class Storage(Protocol):
    """Objects as the worker uses them."""

    async def get(self, uri: S3Uri, *, version_id: str | None, etag: str | None) -> Object:
        """Read that version, or the current one if it still has that ETag."""

    async def head(self, uri: S3Uri) -> Head | None:
        """Look at the current version; None when there is none."""

    async def put(
        self,
        uri: S3Uri,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        replacing: str | None,
    ) -> None:
        """Write where nothing is yet, or over the object with the ETag `replacing`.

        Raises WriteConflict when what is there is something else.
        """
