"""The operations of a simulated S3 on buckets and objects."""

# ruff: noqa: N803 - the parameters have the client's names
import http
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict

from botocore.exceptions import ClientError

from tests.support.simulation.body import SimulatedBody, span
from tests.support.simulation.bucket import NULL, SimulatedBucket, Version, Versioning, md5, moment
from tests.support.simulation.effects import Removed, S3Effect, Written, ignore, now
from tests.support.simulation.errors import refused

LONGEST_KEY = 1024  # bytes
MOST_METADATA = 2048  # bytes
PAGE = 1000
BINARY = "binary/octet-stream"
Answer = dict[str, Any]  # shaped by botocore's models: what a key holds depends on the key


class VersioningConfiguration(TypedDict):
    """The argument of PutBucketVersioning."""

    Status: Versioning


class ObjectOperations:
    """An account's buckets; `on_effect` is called with each effect on an object."""

    def __init__(self) -> None:
        self.buckets: dict[str, SimulatedBucket] = {}
        self.on_effect: Callable[[S3Effect], None] = ignore

    async def create_bucket(self, *, Bucket: str) -> Answer:
        if Bucket in self.buckets:
            raise refused("CreateBucket", "BucketAlreadyOwnedByYou", "It is yours already.", 409)
        self.buckets[Bucket] = SimulatedBucket(Bucket)
        return {"Location": f"/{Bucket}"}

    async def put_bucket_versioning(
        self, *, Bucket: str, VersioningConfiguration: VersioningConfiguration
    ) -> Answer:
        bucket = self._bucket("PutBucketVersioning", Bucket)
        bucket.versioning = VersioningConfiguration["Status"]
        return {}

    async def put_object(
        self,
        *,
        Bucket: str,
        Key: str,
        Body: bytes = b"",
        ContentType: str = BINARY,
        ContentEncoding: str | None = None,
        Metadata: Mapping[str, str] | None = None,
        IfMatch: str | None = None,
        IfNoneMatch: Literal["*"] | None = None,
    ) -> Answer:
        bucket = self._bucket("PutObject", Bucket)
        metadata = checked("PutObject", Key, Metadata)
        bucket.check_write("PutObject", Key, IfMatch, IfNoneMatch)
        version = Version(
            bucket.new_id(),
            md5(Body),
            bytes(Body),
            metadata,
            ContentType,
            now(),
            content_encoding=ContentEncoding,
        )
        return self._write(bucket, Key, version)

    async def get_object(
        self,
        *,
        Bucket: str,
        Key: str,
        VersionId: str | None = None,
        IfMatch: str | None = None,
        Range: str | None = None,
    ) -> Answer:
        bucket = self._bucket("GetObject", Bucket)
        version = bucket.find("GetObject", Key, VersionId, IfMatch)
        answer = bucket.described(version)
        size = len(version.body)
        part = span(Range, size)
        if part is None:
            return answer | {"Body": SimulatedBody(version.body)}
        start, stop = part
        return answer | {
            "Body": SimulatedBody(version.body[start:stop]),
            "ContentLength": stop - start,
            "ContentRange": f"bytes {start}-{stop - 1}/{size}",
        }

    async def head_object(
        self, *, Bucket: str, Key: str, VersionId: str | None = None, IfMatch: str | None = None
    ) -> Answer:
        operation = "HeadObject"
        try:
            bucket = self._bucket(operation, Bucket)
            return bucket.described(bucket.find(operation, Key, VersionId, IfMatch))
        except ClientError as error:  # a HEAD response has no body
            status = http.HTTPStatus(error.response["ResponseMetadata"]["HTTPStatusCode"])
            raise refused(operation, str(status.value), status.phrase, status) from None

    async def delete_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> Answer:
        bucket = self._bucket("DeleteObject", Bucket)
        before = bucket.current(Key)
        if VersionId is not None:
            dropped = bucket.drop(Key, VersionId)
            marker = {"DeleteMarker": True} if dropped and dropped.is_delete_marker else {}
            answer = {"VersionId": VersionId, **marker}
        elif bucket.versioning is None:
            bucket.drop(Key, NULL)
            answer = {}
        else:
            added = Version(bucket.new_id(), "", b"", {}, "", now(), is_delete_marker=True)
            bucket.add(Key, added)
            answer = {"VersionId": added.id, "DeleteMarker": True}
        if before is not None and bucket.current(Key) is not before:
            self.on_effect(Removed(Bucket, Key, now()))
        return answer

    async def list_objects_v2(
        self,
        *,
        Bucket: str,
        Prefix: str = "",
        MaxKeys: int = PAGE,
        StartAfter: str = "",
        ContinuationToken: str = "",
    ) -> Answer:
        bucket = self._bucket("ListObjectsV2", Bucket)
        after = max(StartAfter, ContinuationToken, key=str.encode)
        found = [
            (key, version)
            for key in sorted(bucket.keys, key=str.encode)
            if key.startswith(Prefix) and key.encode() > after.encode()
            if (version := bucket.current(key)) is not None
        ]
        page = found[: min(MaxKeys, PAGE)]
        contents = [
            {
                "Key": key,
                "ETag": f'"{version.etag}"',
                "Size": len(version.body),
                "LastModified": moment(version.at),
            }
            for key, version in page
        ]
        cut = len(page) < len(found)
        return {
            "KeyCount": len(page),
            "IsTruncated": cut,
            **({"Contents": contents} if contents else {}),
            **({"NextContinuationToken": page[-1][0]} if cut else {}),
        }

    def _bucket(self, operation: str, name: str) -> SimulatedBucket:
        if name not in self.buckets:
            raise refused(operation, "NoSuchBucket", "The bucket does not exist.", 404)
        return self.buckets[name]

    def _write(self, bucket: SimulatedBucket, key: str, version: Version) -> Answer:
        bucket.add(key, version)
        shown = bucket.shown_id(version)
        self.on_effect(
            Written(bucket.name, key, shown, version.etag, version.body, version.metadata, now())
        )
        return {"ETag": f'"{version.etag}"', **({} if shown is None else {"VersionId": shown})}


def checked(operation: str, key: str, metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return the metadata as S3 stores it; raises if metadata or key is too long."""
    if len(key.encode()) > LONGEST_KEY:
        raise refused(operation, "KeyTooLongError", "Your key is too long")
    kept = {name.lower(): value for name, value in (metadata or {}).items()}
    if sum(len(name) + len(value) for name, value in kept.items()) > MOST_METADATA:
        raise refused(operation, "MetadataTooLarge", "Your metadata headers are too large")
    return kept
