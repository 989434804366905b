"""Objects in memory with S3's conditional writes, versions and metadata."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from worker.errors import InputOverwritten, NoSuchInput
from worker.job import S3Uri
from worker.storage import Head, Object, WriteConflict


@dataclass
class FakeStorage:
    """Implements worker.s3.Storage; `before` is called with name and address of every call."""

    versions: dict[S3Uri, list[Object]] = field(default_factory=dict)
    versioned: bool = True
    calls: list[tuple[str, S3Uri]] = field(default_factory=list)
    before: Callable[[str, S3Uri], object] | None = None

    def add(self, uri: S3Uri, body: bytes, metadata: Mapping[str, str] | None = None) -> Head:
        """Write an object as somebody outside would."""
        versions = self.versions.setdefault(uri, [])
        head = Head(
            etag=hashlib.md5(body, usedforsecurity=False).hexdigest(),
            version_id=f"v{len(versions) + 1}" if self.versioned else None,
            size=len(body),
            metadata=dict(metadata or {}),
        )
        versions.append(Object(head, body))
        return head

    def body(self, uri: S3Uri) -> bytes:
        return self.versions[uri][-1].body

    def metadata(self, uri: S3Uri) -> Mapping[str, str]:
        return self.versions[uri][-1].head.metadata

    async def get(self, uri: S3Uri, *, version_id: str | None, etag: str | None) -> Object:
        self._called("get", uri)
        versions = self.versions.get(uri)
        if not versions:
            raise NoSuchInput(f"{uri} does not exist (NoSuchKey)")
        if version_id is not None:
            return next(found for found in versions if found.head.version_id == version_id)
        if etag is not None and versions[-1].head.etag != etag:
            raise InputOverwritten(f"{uri} was overwritten after the message was sent")
        return versions[-1]

    async def head(self, uri: S3Uri) -> Head | None:
        self._called("head", uri)
        versions = self.versions.get(uri)
        return versions[-1].head if versions else None

    async def put(
        self,
        uri: S3Uri,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        content_type: str,  # noqa: ARG002 - the seam's
        replacing: str | None,
    ) -> None:
        self._called("put", uri)
        there = self.versions.get(uri)
        if (there[-1].head.etag if there else None) != replacing:
            raise WriteConflict(f"{uri} is not what it was")
        self.add(uri, body, metadata)

    def _called(self, name: str, uri: S3Uri) -> None:
        self.calls.append((name, uri))
        if self.before is not None:
            self.before(name, uri)
