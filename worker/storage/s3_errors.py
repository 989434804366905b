"""What S3's answers mean: heads of objects, and errors that become ours."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from botocore.exceptions import ClientError

from worker.aws import ACCESS_DENIED, code_of, map_errors
from worker.errors import InputOverwritten, ModelError, NoSuchInput, OutputRefused
from worker.job import S3Uri
from worker.storage.protocol import Head, UploadLost, WriteConflict

GONE = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "NotFound"})
DELETED = frozenset({"MethodNotAllowed", "405"})  # the version asked for is a delete marker
PRECONDITION = frozenset({"PreconditionFailed", "412"})
CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})

ErrorOf = Callable[[S3Uri, ClientError], Exception]


@asynccontextmanager
async def map_s3_errors(doing: str, uri: S3Uri, error_of: ErrorOf) -> AsyncIterator[None]:
    """Turn S3's errors into ours, by what each of them means here."""
    async with map_errors(doing):
        try:
            yield
        except ClientError as error:
            raise error_of(uri, error) from error


def head_of(answer: Any) -> Head:  # noqa: ANN401 - two kinds of answers share these fields
    """Read the head out of an answer."""
    return Head(
        etag=answer["ETag"].strip('"'),
        version_id=answer.get("VersionId"),
        size=answer["ContentLength"],
        metadata=answer.get("Metadata", {}),
    )


def read_error(uri: S3Uri, error: ClientError) -> Exception:
    """Say what it means that an input cannot be read."""
    code = code_of(error)
    if code in PRECONDITION:
        return InputOverwritten(f"{uri} was overwritten after the message was sent")
    if _is_missing(error):
        return NoSuchInput(f"{uri} does not exist ({code})")
    if code == "InvalidObjectState":
        return NoSuchInput(f"{uri} is archived and must be restored before it can be read")
    return error


def model_error(uri: S3Uri, error: ClientError) -> Exception:
    """Say what it means that the model cannot be read."""
    if _is_missing(error):
        return ModelError(f"the model {uri} does not exist")
    if code_of(error) in ACCESS_DENIED:
        return ModelError(f"access to the model {uri} is denied: {error}")
    return error


def write_error(uri: S3Uri, error: ClientError) -> Exception:
    """Say what it means that an output cannot be written."""
    code = code_of(error)
    if code == "NoSuchUpload":
        return UploadLost(f"the upload of {uri} is over")
    if code in PRECONDITION | CONFLICT or code == "NoSuchKey":  # If-Match on what was deleted
        return WriteConflict(f"{uri} is not what it was")
    if code == "NoSuchBucket":
        return OutputRefused(f"the output bucket {uri.bucket} does not exist")
    if code == "KeyTooLongError":
        return OutputRefused(f"the output key is too long: {uri}")
    return error


def completion_error(uri: S3Uri, error: ClientError) -> Exception:
    """Say what it means that an upload cannot be completed; after a conflict all goes up anew."""
    if code_of(error) in CONFLICT:
        return UploadLost(f"another write of {uri} was under way")
    return write_error(uri, error)


def _is_missing(error: ClientError) -> bool:
    # A version id that is none at all is an "InvalidArgument", like much else.
    return code_of(error) in GONE | DELETED or "version id" in str(error).lower()
