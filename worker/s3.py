"""The storage on S3: all that is said to S3 is said here, and its errors become ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from worker.aws import ACCESS_DENIED, code_of, config, open_client, translated
from worker.errors import (
    InputOverwritten,
    ModelError,
    NoSuchInput,
    OutputRefused,
    TransientError,
)
from worker.job import S3Uri
from worker.storage import Head, Object, WriteConflict

if TYPE_CHECKING:  # stubs of a development package
    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

READ_ATTEMPTS = 4
GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "NotFound"})
DELETED = frozenset({"MethodNotAllowed", "405"})  # the version asked for is a delete marker
PRECONDITION = frozenset({"PreconditionFailed", "412"})
CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})


class S3Storage:
    """Storage on S3."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    async def get(self, uri: S3Uri, *, version_id: str | None, etag: str | None) -> Object:
        """Read that version, or the current one if it still has that ETag.

        Raises NoSuchInput where there is nothing to read and InputOverwritten when the ETag has
        changed.
        """
        which: dict[str, Any] = {}
        if version_id is not None:
            which["VersionId"] = version_id
        elif etag is not None:
            which["IfMatch"] = f'"{etag}"'
        return await _patiently(lambda: self._get_once(uri, which))

    async def _get_once(self, uri: S3Uri, which: Mapping[str, Any]) -> Object:
        async with translated(f"reading {uri}"):
            try:
                answer = await self._client.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            except ClientError as error:
                raise _read_error(uri, error) from error
            # Read through the body itself, which checks S3's checksum; what `as` gives does not.
            async with answer["Body"]:
                body = await answer["Body"].read()
        if len(body) != answer["ContentLength"]:
            raise TransientError(
                f"reading {uri}: {len(body)} of {answer['ContentLength']} bytes came"
            )
        return Object(_head(answer), body)

    async def head(self, uri: S3Uri) -> Head | None:
        """Look at the current version; None when there is none."""
        async with translated(f"looking at {uri}"):
            try:
                answer = await self._client.head_object(Bucket=uri.bucket, Key=uri.key)
            except ClientError as error:
                if code_of(error) in GONE | DELETED:
                    return None
                raise
        return _head(answer)

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
        condition: dict[str, Any] = (
            {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}
        )
        async with translated(f"writing {uri}"):
            try:
                await self._client.put_object(
                    Bucket=uri.bucket,
                    Key=uri.key,
                    Body=body,
                    ContentType=content_type,
                    Metadata=metadata,
                    **condition,
                )
            except ClientError as error:
                raise _write_error(uri, error) from error

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        """Bring a model to a path; raises ModelError when it is missing or denied."""
        which = {"VersionId": version_id} if version_id else {}
        await _patiently(lambda: self._download_once(uri, path, which))

    async def _download_once(self, uri: S3Uri, path: Path, which: Mapping[str, Any]) -> None:
        async with translated(f"reading the model {uri}"):
            try:
                answer = await self._client.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            except ClientError as error:
                if _is_missing(error):
                    raise ModelError(f"the model {uri} does not exist") from error
                if code_of(error) in ACCESS_DENIED:
                    raise ModelError(f"access to the model {uri} is denied: {error}") from error
                raise
            size = 0
            with path.open("wb") as file:
                async with answer["Body"]:
                    while chunk := await answer["Body"].read(1 << 20):
                        size += file.write(chunk)
        if size != answer["ContentLength"]:
            raise TransientError(f"reading the model {uri}: it came short")


@asynccontextmanager
async def open_storage(*, connections: int) -> AsyncIterator[S3Storage]:
    """Open the storage; `connections` requests may be under way at once."""
    settings = config(connections=connections, read_seconds=60, attempts=4)
    async with open_client("s3", settings) as client:
        yield S3Storage(client)


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


def _head(answer: Any) -> Head:  # noqa: ANN401 - two kinds of answers share these fields
    return Head(
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId"),
        size=answer["ContentLength"],
        metadata=answer.get("Metadata", {}),
    )


def _read_error(uri: S3Uri, error: ClientError) -> Exception:
    code = code_of(error)
    if code in PRECONDITION:
        return InputOverwritten(f"{uri} was overwritten after the message was sent")
    if _is_missing(error):
        return NoSuchInput(f"{uri} does not exist ({code})")
    if code == "InvalidObjectState":
        return NoSuchInput(f"{uri} is archived and must be restored before it can be read")
    return error


def _is_missing(error: ClientError) -> bool:
    # A version id that is none at all is an "InvalidArgument", like much else.
    return code_of(error) in GONE | DELETED or "version id" in str(error).lower()


def _write_error(uri: S3Uri, error: ClientError) -> Exception:
    code = code_of(error)
    if code in PRECONDITION | CONFLICT or code == "NoSuchKey":  # If-Match on what was deleted
        return WriteConflict(f"{uri} is not what it was")
    if code == "NoSuchBucket":
        return OutputRefused(f"the output bucket {uri.bucket} does not exist")
    if code == "KeyTooLongError":
        return OutputRefused(f"the output key is too long: {uri}")
    return error
