"""The meaning of S3's errors: which error of the worker's own each of them becomes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from botocore.exceptions import ClientError

from worker.aws import ACCESS_DENIED, error_code, map_errors
from worker.errors import InputOverwritten, ModelError, NoSuchInput, OutputRefused
from worker.job import S3Uri
from worker.storage.protocol import UploadLost, WriteConflict

MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404", "NotFound"})
DELETED = frozenset({"MethodNotAllowed", "405"})  # the version asked for is a delete marker
PRECONDITION = frozenset({"PreconditionFailed", "412"})
CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})

ErrorOf = Callable[[S3Uri, ClientError], Exception]


@asynccontextmanager
async def map_s3_errors(doing: str, uri: S3Uri, error_of: ErrorOf) -> AsyncIterator[None]:
    """Raise the worker's own errors for S3's, as `error_of` and then `map_errors` map them."""
    async with map_errors(doing):
        try:
            yield
        except ClientError as error:
            raise error_of(uri, error) from error


def read_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when an input cannot be read."""
    code = error_code(error)
    if code in PRECONDITION:
        return InputOverwritten(f"{uri} was overwritten after the message was sent")
    if _is_missing(error):
        return NoSuchInput(f"{uri} does not exist ({code})")
    if code == "InvalidObjectState":
        return NoSuchInput(f"{uri} is archived and must be restored before it can be read")
    return error


def model_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when the model cannot be read."""
    if _is_missing(error):
        return ModelError(f"the model {uri} does not exist")
    if error_code(error) in ACCESS_DENIED:
        return ModelError(f"access to the model {uri} is denied: {error}")
    return error


def write_error(uri: S3Uri, error: ClientError) -> Exception:
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


def completion_error(uri: S3Uri, error: ClientError) -> Exception:
    """Return the error to raise when an upload cannot be completed.

    After a conflict S3 has dropped the upload, and all parts must go up again.
    """
    if error_code(error) in CONFLICT:
        return UploadLost(f"another write of {uri} was under way")
    return write_error(uri, error)


def _is_missing(error: ClientError) -> bool:
    # For a malformed version id the code is "InvalidArgument", as for many other mistakes.
    return error_code(error) in MISSING | DELETED or "version id" in str(error).lower()
