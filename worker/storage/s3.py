"""The storage on S3: every call to S3 is made here, and its errors become the worker's own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError, ParamValidationError

from worker.advice.answers import ACCESS_DENIED, OTHER_REGION, explain, kms_refusal
from worker.advice.texts import Advice
from worker.aws.call_limits import S3_ATTEMPTS, S3_READ_SECONDS, limited
from worker.aws.clients import client_config, open_client
from worker.aws.errors import error_code, map_errors
from worker.errors import (
    AccessDenied,
    InfrastructureError,
    InputOverwritten,
    ModelError,
    NoSuchInput,
    OutputRefused,
    PermanentError,
    TransientError,
)
from worker.job import S3Uri
from worker.storage.direct_client import DirectClient
from worker.storage.protocol import Head, ObjectStart, UploadLost, WriteConflict
from worker.storage.redirects import follow_redirects

if TYPE_CHECKING:  # the stubs are a development package
    from types_aiobotocore_s3 import S3Client

T = TypeVar("T")

READ_ATTEMPTS = 4
CHUNK_BYTES = 1 << 20
MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "NotFound"})
DELETED = frozenset({"MethodNotAllowed", "405"})  # the version asked for is a delete marker
NO_VERSION_ID = "Invalid version id specified"  # S3's whole message
PRECONDITION = frozenset({"PreconditionFailed", "412"})
CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})


class S3Storage:
    """Implements worker.storage.protocol.Storage."""

    def __init__(self, client: "S3Client", objects: DirectClient | None = None) -> None:
        self._client = client
        self._objects: Any = objects or client  # gets, looks at and puts objects

    async def get(
        self, uri: S3Uri, *, version_id: str | None, etag: str | None, max_bytes: int
    ) -> ObjectStart:
        """Read up to `max_bytes` of that version, or of the current one if it has that ETag.

        Raises NoSuchInput if there is nothing to read, and InputOverwritten if the ETag differs.
        """
        which = _version(version_id, etag)
        async with limited("get", f"reading {uri}", size=max_bytes):
            return await _with_retries(lambda: self._get_once(uri, which, max_bytes))

    async def _get_once(self, uri: S3Uri, which: Mapping[str, Any], max_bytes: int) -> ObjectStart:
        with _map_s3_errors(f"reading {uri}", uri, _read_error):
            response = await self._objects.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            head = _head(response)
            # The body is read through the response's own object, which checks S3's checksum at the
            # end; the object that `async with` returns does not. The rest of a large object is
            # not read.
            async with response["Body"]:
                limit = None if head.size <= max_bytes else max_bytes
                body = await _read(response["Body"], limit)
        return ObjectStart(head, _checked(uri, body, min(head.size, max_bytes)))

    async def read(
        self, uri: S3Uri, start: int, stop: int, *, version_id: str | None, etag: str
    ) -> bytes:
        """Read a range of that version, or of the current one if it has that ETag.

        Raises NoSuchInput and InputOverwritten as `get` does.
        """
        which = _version(version_id, etag) | {"Range": f"bytes={start}-{stop - 1}"}
        async with limited("read", f"reading {uri}", size=stop - start):
            return await _with_retries(lambda: self._read_once(uri, which, stop - start))

    async def _read_once(self, uri: S3Uri, which: Mapping[str, Any], size: int) -> bytes:
        with _map_s3_errors(f"reading {uri}", uri, _read_error):
            response = await self._objects.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            async with response["Body"]:
                return _checked(uri, await response["Body"].read(), size)

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        """Download the model to a path; raises ModelError if it is missing or denied."""
        which = _version(version_id, None)
        async with limited("download", f"reading the model {uri}"):
            await _with_retries(lambda: self._download_once(uri, path, which))

    async def _download_once(self, uri: S3Uri, path: Path, which: Mapping[str, Any]) -> None:
        size = 0
        with _map_s3_errors(f"reading the model {uri}", uri, _model_error):
            response = await self._client.get_object(Bucket=uri.bucket, Key=uri.key, **which)
            with path.open("wb") as file:
                async with response["Body"]:
                    while chunk := await response["Body"].read(CHUNK_BYTES):
                        size += file.write(chunk)
        if size != response["ContentLength"]:
            raise InfrastructureError(
                f"reading the model {uri}: {size} of {response['ContentLength']} bytes arrived"
            )

    async def head(self, uri: S3Uri) -> Head | None:
        """Read the current version's head; returns None if there is no object."""
        try:
            async with _call("head", f"looking at {uri}", uri, _head_error):
                return _head(await self._objects.head_object(Bucket=uri.bucket, Key=uri.key))
        except NoSuchInput:
            return None

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
        """Write an object if none is there, or over the object with the ETag `replacing`."""
        async with _call("put", f"writing {uri}", uri, _write_error, size=len(body)):
            await self._objects.put_object(
                Bucket=uri.bucket,
                Key=uri.key,
                Body=body,
                ContentType=content_type,
                Metadata=metadata,
                **_encoding(content_encoding),
                **_condition(replacing),
            )

    async def begin(
        self,
        uri: S3Uri,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str | None = None,
    ) -> str:
        """Begin a multipart upload; returns its id."""
        async with _call("begin", f"writing {uri}", uri, _write_error):
            response = await self._client.create_multipart_upload(
                Bucket=uri.bucket,
                Key=uri.key,
                ContentType=content_type,
                Metadata=metadata,
                **_encoding(content_encoding),
            )
        return response["UploadId"]

    async def put_part(self, uri: S3Uri, upload: str, number: int, body: bytes) -> str:
        """Upload a part; returns its ETag."""
        doing = f"writing part {number} of {uri}"
        async with _call("put_part", doing, uri, _write_error, size=len(body)):
            response = await self._client.upload_part(
                Bucket=uri.bucket, Key=uri.key, UploadId=upload, PartNumber=number, Body=body
            )
        return response["ETag"]

    async def complete(
        self, uri: S3Uri, upload: str, etags: Sequence[str], *, replacing: str | None
    ) -> None:
        """Make the parts an object if none is there, or over the one with the ETag `replacing`."""
        parts: list[Any] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)
        ]
        async with _call("complete", f"writing {uri}", uri, _completion_error):
            await self._client.complete_multipart_upload(
                Bucket=uri.bucket,
                Key=uri.key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                **_condition(replacing),
            )

    async def abort(self, uri: S3Uri, upload: str) -> None:
        """Remove a multipart upload and its parts; succeeds if it does not exist any more."""
        try:
            async with _call("abort", f"aborting the upload of {uri}", uri, _write_error):
                await self._client.abort_multipart_upload(
                    Bucket=uri.bucket, Key=uri.key, UploadId=upload
                )
        except UploadLost:
            return


@asynccontextmanager
async def open_storage(*, connections: int, direct: bool = True) -> AsyncIterator[S3Storage]:
    """Open the storage; up to `connections` requests may be under way at once.

    Without `direct` the SDK makes every call.
    """
    config = client_config(
        connections=connections, read_seconds=S3_READ_SECONDS, attempts=S3_ATTEMPTS
    )
    async with open_client("s3", config) as client:
        follow_redirects(client)
        yield S3Storage(client, DirectClient(client) if direct else None)


async def _with_retries(read: Callable[[], Awaitable[T]]) -> T:
    """Read again after an error in the body, which arrives after the SDK's own retries."""
    for attempt in range(1, READ_ATTEMPTS):
        try:
            return await read()
        except TransientError as error:
            if isinstance(error, InputOverwritten) or isinstance(error.__cause__, ClientError):
                raise  # S3 has answered, and the SDK has retried where that may help
            await asyncio.sleep(0.2 * 2**attempt)
    return await read()


def _version(version_id: str | None, etag: str | None) -> dict[str, Any]:
    if version_id is not None:
        return {"VersionId": version_id}
    return {} if etag is None else {"IfMatch": f'"{etag}"'}


def _condition(replacing: str | None) -> dict[str, Any]:
    return {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": f'"{replacing}"'}


def _encoding(content_encoding: str | None) -> dict[str, Any]:
    return {} if content_encoding is None else {"ContentEncoding": content_encoding}


def _head(response: Any) -> Head:  # noqa: ANN401 - two types of responses share these fields
    return Head(
        etag=response["ETag"].strip('"'),
        version_id=response.get("VersionId"),
        size=response["ContentLength"],
        metadata=response.get("Metadata", {}),
        content_encoding=response.get("ContentEncoding"),
    )


async def _read(body: Any, limit: int | None) -> bytes:  # noqa: ANN401 - aiobotocore's
    """Read `limit` bytes, in as many reads as that takes, or everything if it is None."""
    if limit is None:
        whole: bytes = await body.read()
        return whole
    start = bytearray()
    while len(start) < limit and (chunk := await body.read(min(CHUNK_BYTES, limit - len(start)))):
        start += chunk
    return bytes(start)


def _checked(uri: S3Uri, body: bytes, size: int) -> bytes:
    if len(body) != size:
        raise InfrastructureError(f"reading {uri}: {len(body)} of {size} bytes arrived")
    return body


@asynccontextmanager
async def _call(
    name: str,
    doing: str,
    uri: S3Uri,
    error_of: Callable[[S3Uri, ClientError], Exception],
    *,
    size: int = 0,
) -> AsyncIterator[None]:
    """Make a call under its time limit; its errors are mapped as `_map_s3_errors` does."""
    async with limited(name, doing, size=size):
        with _map_s3_errors(doing, uri, error_of):
            yield


@contextmanager
def _map_s3_errors(
    doing: str, uri: S3Uri, error_of: Callable[[S3Uri, ClientError], Exception]
) -> Iterator[None]:
    """Raise the worker's own errors for S3's, as `error_of` and then `map_errors` map them."""
    with map_errors(doing):
        try:
            yield
        except ClientError as error:
            mapped = error_of(uri, error)
            code = error_code(error)
            if mapped is error and (code in ACCESS_DENIED or kms_refusal(error, code)):
                mapped = AccessDenied(f"{doing}: {explain(error, code, resource=str(uri))}")
            raise mapped from error
        except ParamValidationError as error:  # the SDK: no bucket and no object has this name
            text = f"{doing}: {' '.join(str(error).split())}"
            raise _IMPOSSIBLE.get(error_of, OutputRefused)(text) from error


def _head_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when an object cannot be looked at."""
    if error_code(error) in MISSING | DELETED:
        return NoSuchInput(f"{uri} does not exist")
    return error


def _read_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when an input cannot be read."""
    code = error_code(error)
    if code in PRECONDITION:
        return InputOverwritten(f"{uri} was overwritten after the message was sent")
    if _is_missing(error):
        return NoSuchInput(f"{uri} does not exist ({code})")
    if code == "InvalidObjectState":
        return NoSuchInput(f"{uri} is archived and must be restored before it can be read")
    return error


def _model_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when the model cannot be read."""
    code = error_code(error)
    if _is_missing(error):
        where = {"bucket": uri.bucket, "key": uri.key}
        advice = _version_or_key(error, code).fill(**where)
        return ModelError(f"the model {uri} does not exist ({code}). {advice}")
    text = explain(error, code)
    if kms_refusal(error, code):
        return ModelError(f"the model {uri} cannot be decrypted: {text}")
    if code in ACCESS_DENIED:
        return ModelError(f"access to the model {uri} is denied: {text}")
    if code in OTHER_REGION or code == "InvalidObjectState":
        return ModelError(f"the model {uri} cannot be read: {text}")
    return error


def _version_or_key(error: ClientError, code: str) -> Advice:
    """Return what is missing: the bucket, the object, or one version of the object."""
    if code == "NoSuchBucket":
        return Advice.BUCKET_MISSING
    of_version = code == "NoSuchVersion" or code in DELETED or _is_no_version_id(error)
    return Advice.VERSION_MISSING if of_version else Advice.MODEL_MISSING


_IMPOSSIBLE: dict[Any, type[PermanentError | ModelError]] = {
    _read_error: NoSuchInput,
    _model_error: ModelError,
}


def _write_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when an output cannot be written."""
    code = error_code(error)
    if code == "NoSuchUpload":
        return UploadLost(f"the upload of {uri} does not exist any more")
    if code in PRECONDITION | CONFLICT or code == "NoSuchKey":  # If-Match on a deleted object
        return WriteConflict(f"{uri} has changed")
    if code == "NoSuchBucket":
        return OutputRefused(f"the output bucket {uri.bucket} does not exist")
    if code == "KeyTooLongError":
        return OutputRefused(f"the output key is too long: {uri}")
    return error


def _completion_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when an upload cannot be completed.

    After a conflict S3 has dropped the upload, and all parts must be uploaded again.
    """
    if error_code(error) in CONFLICT:
        return UploadLost(f"another write of {uri} was under way")
    return _write_error(uri, error)


def _is_missing(error: ClientError) -> bool:
    return error_code(error) in MISSING | DELETED or _is_no_version_id(error)


def _is_no_version_id(error: ClientError) -> bool:
    """Return whether S3 takes the version id for none, which has the code of other mistakes too."""
    message = error.response.get("Error", {}).get("Message")
    return error_code(error) == "InvalidArgument" and message == NO_VERSION_ID
