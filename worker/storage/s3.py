"""The storage on S3: every call to S3 is made here, and its errors become the worker's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from worker.aws import code_of, config, map_errors, open_client
from worker.errors import InputOverwritten, TransientError
from worker.job import S3Uri
from worker.storage.protocol import Head, ObjectStart, UploadLost
from worker.storage.s3_errors import (
    DELETED,
    GONE,
    completion_error,
    head_of,
    map_s3_errors,
    model_error,
    read_error,
    write_error,
)

if TYPE_CHECKING:  # stubs of a development package
    from types_aiobotocore_s3 import S3Client
if TYPE_CHECKING:  # stubs of a development package
    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

READ_ATTEMPTS = 4
CHUNK_BYTES = 1 << 20


class S3Reads:
    """The reading half of the storage on S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    async def get(
        self, uri: S3Uri, *, version_id: str | None, etag: str | None, max_bytes: int
    ) -> ObjectStart:
        """Read that version, or the current one if it still has that ETag; `max_bytes` bytes of it.

        Raises NoSuchInput where there is nothing to read and InputOverwritten when the ETag has
        changed.
        """
        which = _which(version_id, etag)
        return await _patiently(lambda: self._get_once(uri, which, max_bytes))

    async def _get_once(self, uri: S3Uri, which: Mapping[str, Any], max_bytes: int) -> ObjectStart:
        async with map_s3_errors(f"reading {uri}", uri, read_error):
            answer = await self._client.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            head = head_of(answer)
            # Read through the body itself, which checks S3's checksum at the end of it; what `as`
            # gives does not. The rest of a large object is left where it is.
            async with answer["Body"]:
                body = await _read(answer["Body"], None if head.size <= max_bytes else max_bytes)
        return ObjectStart(head, _whole(uri, body, min(head.size, max_bytes)))

    async def read(
        self, uri: S3Uri, start: int, stop: int, *, version_id: str | None, etag: str
    ) -> bytes:
        """Read a range of that version, or of the current one if it still has that ETag.

        Raises NoSuchInput and InputOverwritten as `get` does.
        """
        which = _which(version_id, etag) | {"Range": f"bytes={start}-{stop - 1}"}
        return await _patiently(lambda: self._read_once(uri, which, stop - start))

    async def _read_once(self, uri: S3Uri, which: Mapping[str, Any], size: int) -> bytes:
        async with map_s3_errors(f"reading {uri}", uri, read_error):
            answer = await self._client.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            async with answer["Body"]:
                return _whole(uri, await answer["Body"].read(), size)

    async def head(self, uri: S3Uri) -> Head | None:
        """Look at the current version; None when there is none."""
        async with map_errors(f"looking at {uri}"):
            try:
                answer = await self._client.head_object(Bucket=uri.bucket, Key=uri.key)
            except ClientError as error:
                if code_of(error) in GONE | DELETED:
                    return None
                raise
        return head_of(answer)

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        """Bring a model to a path; raises ModelError when it is missing or denied."""
        which = _which(version_id, None)
        await _patiently(lambda: self._download_once(uri, path, which))

    async def _download_once(self, uri: S3Uri, path: Path, which: Mapping[str, Any]) -> None:
        size = 0
        async with map_s3_errors(f"reading the model {uri}", uri, model_error):
            answer = await self._client.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            with path.open("wb") as file:
                async with answer["Body"]:
                    while chunk := await answer["Body"].read(CHUNK_BYTES):
                        size += file.write(chunk)
        if size != answer["ContentLength"]:
            raise TransientError(f"reading the model {uri}: it came short")


async def _patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Read again where that may help: a body comes after the SDK's own retries."""
    for attempt in range(1, READ_ATTEMPTS):
        try:
            return await read()
        except TransientError as error:
            if isinstance(error, InputOverwritten) or isinstance(error.__cause__, ClientError):
                raise  # an answer, which the SDK has asked for again itself where that may help
            await asyncio.sleep(0.2 * 2**attempt)
    return await read()


def _which(version_id: str | None, etag: str | None) -> dict[str, Any]:
    if version_id is not None:
        return {"VersionId": version_id}
    return {} if etag is None else {"IfMatch": f'"{etag}"'}


async def _read(body: Any, max_bytes: int | None) -> bytes:  # noqa: ANN401 - aiobotocore's
    """Read so many bytes, in as many reads as it takes, or all there are."""
    if max_bytes is None:
        whole: bytes = await body.read()
        return whole
    some = bytearray()
    while len(some) < max_bytes and (
        chunk := await body.read(min(CHUNK_BYTES, max_bytes - len(some)))
    ):
        some += chunk
    return bytes(some)


def _whole(uri: S3Uri, body: bytes, size: int) -> bytes:
    if len(body) != size:
        raise TransientError(f"reading {uri}: {len(body)} of {size} bytes came")
    return body


class S3Writes:
    """The writing half of the storage on S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    async def put(
        self,
        uri: S3Uri,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        replacing: str | None,
    ) -> None:
        """Write where nothing is yet, or over the object with the ETag `replacing`."""
        async with map_s3_errors(f"writing {uri}", uri, write_error):
            await self._client.put_object(
                Bucket=uri.bucket,
                Key=uri.key,
                Body=body,
                ContentType=content_type,
                Metadata=metadata,
                **_condition(replacing),
            )

    async def begin(self, uri: S3Uri, *, metadata: Mapping[str, str], content_type: str) -> str:
        """Begin an upload in parts; answer its id."""
        async with map_s3_errors(f"writing {uri}", uri, write_error):
            answer = await self._client.create_multipart_upload(
                Bucket=uri.bucket, Key=uri.key, ContentType=content_type, Metadata=metadata
            )
        return answer["UploadId"]

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        """Send a part; answer its ETag."""
        async with map_s3_errors(f"writing part {number} of {uri}", uri, write_error):
            answer = await self._client.upload_part(
                Bucket=uri.bucket, Key=uri.key, UploadId=upload, PartNumber=number, Body=body
            )
        return answer["ETag"]

    async def complete(
        self, uri: S3Uri, upload: str, etags: Sequence[str], *, replacing: str | None
    ) -> None:
        """Make an object of the parts, where nothing is yet or in the place of `replacing`."""
        parts: list[Any] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)
        ]
        async with map_s3_errors(f"writing {uri}", uri, completion_error):
            await self._client.complete_multipart_upload(
                Bucket=uri.bucket,
                Key=uri.key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                **_condition(replacing),
            )

    async def abort(self, uri: S3Uri, upload: str) -> None:
        """Let go of an upload and its parts; one that is over already is no error."""
        try:
            async with map_s3_errors(f"leaving {uri}", uri, write_error):
                await self._client.abort_multipart_upload(
                    Bucket=uri.bucket, Key=uri.key, UploadId=upload
                )
        except UploadLost:
            return


def _condition(replacing: str | None) -> dict[str, Any]:
    return {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}


class S3Storage(S3Reads, S3Writes):
    """Implements worker.storage.protocol.Storage."""


@asynccontextmanager
async def open_storage(*, connections: int) -> AsyncIterator[S3Storage]:
    """Open the storage; `connections` requests may be under way at once."""
    settings = config(connections=connections, read_seconds=60, attempts=4)
    async with open_client("s3", settings) as client:
        yield S3Storage(client)
