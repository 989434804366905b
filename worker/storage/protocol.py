"""The storage interface: the operations that the worker needs, and their values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from worker.errors import TransientError
from worker.job import S3Uri


@dataclass(frozen=True, slots=True)
class Head:
    """An object's identity, size in bytes, metadata and encoding; the ETag without its quotes."""

    etag: str
    version_id: str | None = None
    size: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectStart:
    """An object's head and its first bytes: the whole object if it is small."""

    head: Head
    body: bytes


class WriteConflict(TransientError):
    """The condition of a write did not hold: look at the object and decide again."""


class UploadLost(WriteConflict):
    """A multipart upload is gone: it was completed, or all of it must be uploaded again."""


class Storage(Protocol):
    """Objects as the worker uses them."""

    async def get(
        self, uri: S3Uri, *, version_id: str | None, etag: str | None, max_bytes: int
    ) -> ObjectStart:
        """Read up to `max_bytes` of that version, or of the current one if it has that ETag.

        Raises NoSuchInput if there is nothing to read, and InputOverwritten if the ETag differs.
        """

    async def read(
        self, uri: S3Uri, start: int, stop: int, *, version_id: str | None, etag: str
    ) -> bytes:
        """Read a range of that version, or of the current one if it has that ETag.

        Raises NoSuchInput and InputOverwritten as `get` does.
        """

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        """Download the model to a path; raises ModelError if it is missing or denied."""

    async def head(self, uri: S3Uri) -> Head | None:
        """Read the current version's head; returns None if there is no object."""

    async def put(
        self,
        uri: S3Uri,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str | None = None,
        replacing: str | None,
    ) -> None:
        """Write an object if none is there, or over the object with the ETag `replacing`.

        Raises WriteConflict if another object is there.
        """

    async def begin(
        self,
        uri: S3Uri,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str | None = None,
    ) -> str:
        """Begin a multipart upload; returns its id."""

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        """Upload a part; returns its ETag.

        Parts are numbered from 1. Each but the last has 5 MiB at least.
        """

    async def complete(
        self, uri: S3Uri, upload: str, etags: Sequence[str], *, replacing: str | None
    ) -> None:
        """Make the parts an object, on the same conditions as `put`.

        Raises WriteConflict, after which it may be completed on another condition, or UploadLost.
        """

    async def abort(self, uri: S3Uri, upload: str) -> None:
        """Remove a multipart upload and its parts; succeeds if it does not exist any more."""
