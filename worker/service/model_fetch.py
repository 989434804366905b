"""The model file: read once, into a file of the worker's own, and its digest checked.

Every pool process loads that copy, also one that starts much later. So what was hashed is what is
loaded, whatever happens to the original.
"""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worker.errors import ModelError, error_text
from worker.job import S3Uri
from worker.pool.model_plan import OriginalFile
from worker.storage.protocol import Storage


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The worker's own copy of the model, on the local disk; and the local file that it is of."""

    path: Path
    sha256: str
    original: OriginalFile | None = None


@asynccontextmanager
async def fetch_model(
    where: str, expected_sha256: str | None, storage: Storage
) -> AsyncIterator[ModelFile]:
    """Copy the model to a file of our own; raises ModelError if it is missing or another one.

    The copy has the model's own name, as the suffix decides how a model is loaded. What lies beside
    a local model is not copied: the digest says nothing of it.
    """
    with tempfile.TemporaryDirectory(prefix="tidegate-model-") as folder:
        path, original = await _copy(where, Path(folder), storage)
        sha256 = await asyncio.to_thread(_digest, path)
        if expected_sha256 is not None and sha256 != expected_sha256.lower():
            raise ModelError(
                f"the model {where} has the digest {sha256}, "
                f"but WORKER_MODEL_SHA256 says {expected_sha256.lower()}"
            )
        yield ModelFile(path, sha256, original)


async def _copy(where: str, folder: Path, storage: Storage) -> tuple[Path, OriginalFile | None]:
    if where.startswith("s3://"):
        uri, version_id = parse_uri(where)
        path = folder / PurePosixPath(uri.key).name
        await storage.download(uri, path, version_id=version_id)
        return path, None
    path = folder / Path(where).name
    return path, await asyncio.to_thread(_copy_file, Path(where), path)


def _copy_file(original: Path, copy: Path) -> OriginalFile:
    """Copy a file on the disk: a model of gigabytes is never held in memory."""
    try:
        noted = OriginalFile.of(original)  # first: what changes from here on is noticed
        original.open("rb").close()
    except OSError as error:
        raise ModelError(f"the model {original} cannot be read: {error.strerror}") from error
    try:
        shutil.copyfile(original, copy)
    except OSError as error:
        reason = error.strerror or error_text(error)
        raise ModelError(f"the model {original} cannot be copied to {copy}: {reason}") from error
    return noted


def parse_uri(where: str) -> tuple[S3Uri, str | None]:
    """Split s3://bucket/key?versionId=… into its parts; raises ModelError."""
    address, _, version_id = where.removeprefix("s3://").partition("?versionId=")
    bucket, _, key = address.partition("/")
    if not bucket or not key or key.endswith("/"):
        raise ModelError(f"WORKER_MODEL is not of the form s3://bucket/key: {where}")
    return S3Uri(bucket, key), version_id or None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
