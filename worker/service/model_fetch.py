"""The model file: fetched, and its digest checked before anything is unpickled."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worker.errors import ModelError
from worker.job import S3Uri
from worker.storage.protocol import Storage


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on the local disk."""

    path: Path
    sha256: str


@asynccontextmanager
async def fetch_model(
    where: str, expected_sha256: str | None, storage: Storage
) -> AsyncIterator[ModelFile]:
    """Provide the model as a file; raises ModelError if it is missing or has another digest."""
    with tempfile.TemporaryDirectory(prefix="tidegate-model-") as folder:
        path = await _local_path(where, Path(folder), storage)
        sha256 = await asyncio.to_thread(_digest, path)
        if expected_sha256 is not None and sha256 != expected_sha256.lower():
            raise ModelError(
                f"the model {where} has the digest {sha256}, "
                f"but WORKER_MODEL_SHA256 says {expected_sha256.lower()}"
            )
        yield ModelFile(path, sha256)


async def _local_path(where: str, folder: Path, storage: Storage) -> Path:
    if not where.startswith("s3://"):
        return Path(where)
    uri, version_id = parse_uri(where)
    # Under its own name: the suffix decides how it is loaded.
    path = folder / PurePosixPath(uri.key).name
    await storage.download(uri, path, version_id=version_id)
    return path


def parse_uri(where: str) -> tuple[S3Uri, str | None]:
    """Split s3://bucket/key?versionId=… into its parts; raises ModelError."""
    address, _, version_id = where.removeprefix("s3://").partition("?versionId=")
    bucket, _, key = address.partition("/")
    if not bucket or not key or key.endswith("/"):
        raise ModelError(f"WORKER_MODEL is not of the form s3://bucket/key: {where}")
    return S3Uri(bucket, key), version_id or None


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}") from error
