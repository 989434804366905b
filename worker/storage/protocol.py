"""The seam to the storage: what the worker asks of objects, and the values in it."""

from collections.abc import Mapping, Sequence
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
class ObjectStart:
    """An object's head and its first bytes: all of them when it is small."""

    head: Head
    body: bytes


class WriteConflict(TransientError):
    """The condition of a write did not hold: look at the object and decide again."""


class UploadLost(WriteConflict):
    """A multipart upload is over: it was completed after all, or its parts must go up anew."""


class Storage(Protocol):
    """Objects as the worker uses them."""

    async def get(
        self, uri: S3Uri, *, version_id: str | None, etag: str | None, max_bytes: int
    ) -> ObjectStart:
        """Read up to `max_bytes` of that version, or of the current one if it has that ETag."""

    async def read(
        self, uri: S3Uri, start: int, stop: int, *, version_id: str | None, etag: str
    ) -> bytes:
        """Read a range of that version, or of the current one if it still has that ETag."""

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

    async def begin(self, uri: S3Uri, *, metadata: Mapping[str, str], content_type: str) -> str:
        """Begin an upload in parts; answer its id."""

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        """Send a part, numbered from 1, of 5 MiB at least but for the last; answer its ETag."""

    async def complete(
        self, uri: S3Uri, upload: str, etags: Sequence[str], *, replacing: str | None
    ) -> None:
        """Make an object of the parts, on the conditions of `put`.

        Raises WriteConflict, after which it may be completed on another condition, or UploadLost.
        """

    async def abort(self, uri: S3Uri, upload: str) -> None:
        """Let go of an upload and its parts; one that is over already is no error."""
