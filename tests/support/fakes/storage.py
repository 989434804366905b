"""The worker's own storage on a simulated S3: a test can watch each call, and make it fail."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.simulation.bucket import SimulatedBucket, Version, Versioning, md5
from tests.support.simulation.effects import now
from tests.support.simulation.s3 import SimulatedS3
from worker.job import S3Uri
from worker.storage.protocol import Head, ObjectStart
from worker.storage.s3 import S3Storage


class FakeStorage(S3Storage):
    """Every bucket exists. `before` is called with the name and the URI of every call."""

    def __init__(
        self, versioning: Versioning | None = "Enabled", *, smallest_part: int = 1
    ) -> None:
        self._s3 = SimulatedS3(smallest_part=smallest_part)
        client: Any = self._s3
        super().__init__(client)
        self._buckets: dict[str, SimulatedBucket] = self._s3.buckets
        self.versioning = versioning
        self.calls: list[tuple[str, S3Uri]] = []
        self.before: Callable[[str, S3Uri], object] | None = None

    @property
    def versions(self) -> dict[S3Uri, list[Version]]:
        return {
            S3Uri(name, key): versions
            for name, bucket in self._buckets.items()
            for key, versions in bucket.keys.items()
        }

    def add(
        self,
        uri: S3Uri,
        body: bytes,
        metadata: Mapping[str, str] | None = None,
        content_encoding: str | None = None,
    ) -> Head:
        """Write an object, as a program other than the worker would."""
        bucket = self._bucket(uri)
        version = Version(
            bucket.new_id(),
            md5(body),
            body,
            dict(metadata or {}),
            "",
            now(),
            content_encoding=content_encoding,
        )
        bucket.add(uri.key, version)
        return Head(version.etag, bucket.shown_id(version), len(body), version.metadata)

    @property
    def uploads(self) -> int:
        """How many multipart uploads are under way."""
        return len(self._s3.uploads)

    def remove(self, uri: S3Uri) -> None:
        """Remove an object with all of its versions."""
        del self._bucket(uri).keys[uri.key]

    def body(self, uri: S3Uri) -> bytes:
        return self.versions[uri][-1].body

    def metadata(self, uri: S3Uri) -> Mapping[str, str]:
        return self.versions[uri][-1].metadata

    async def get(
        self, uri: S3Uri, *, version_id: str | None, etag: str | None, max_bytes: int
    ) -> ObjectStart:
        self._called("get", uri)
        return await super().get(uri, version_id=version_id, etag=etag, max_bytes=max_bytes)

    async def read(
        self, uri: S3Uri, start: int, stop: int, *, version_id: str | None, etag: str
    ) -> bytes:
        self._called("read", uri)
        return await super().read(uri, start, stop, version_id=version_id, etag=etag)

    async def head(self, uri: S3Uri) -> Head | None:
        self._called("head", uri)
        return await super().head(uri)

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
        self._called("put", uri)
        await super().put(
            uri,
            body,
            metadata=metadata,
            content_type=content_type,
            content_encoding=content_encoding,
            replacing=replacing,
        )

    async def begin(
        self,
        uri: S3Uri,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str | None = None,
    ) -> str:
        self._called("begin", uri)
        return await super().begin(
            uri, metadata=metadata, content_type=content_type, content_encoding=content_encoding
        )

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        self._called("put_part", uri)
        return await super().put_part(uri, upload, number, body)

    async def complete(
        self, uri: S3Uri, upload: str, etags: Sequence[str], *, replacing: str | None
    ) -> None:
        self._called("complete", uri)
        await super().complete(uri, upload, etags, replacing=replacing)

    async def abort(self, uri: S3Uri, upload: str) -> None:
        self._called("abort", uri)
        await super().abort(uri, upload)

    def _bucket(self, uri: S3Uri) -> SimulatedBucket:
        return self._buckets.setdefault(uri.bucket, SimulatedBucket(uri.bucket, self.versioning))

    def _called(self, name: str, uri: S3Uri) -> None:
        self._bucket(uri)
        self.calls.append((name, uri))
        if self.before is not None:
            self.before(name, uri)
