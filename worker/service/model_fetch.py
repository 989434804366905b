"""The model on its way in: fetched, digested, and checked before anything is unpickled."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from worker.errors import ModelError
from worker.job import S3Uri


class ModelSource(Protocol):
    """Where models in S3 come from."""

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        """Bring a model to a path; raises ModelError when it is missing or denied."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model on the local disk."""

    path: Path
    sha256: str


@asynccontextmanager
async def fetched(
    where: str, expected_sha256: str | None, source: ModelSource
) -> AsyncIterator[ModelFile]:
    """Have the model at hand as a file; raises ModelError when it is missing or another one."""
    with tempfile.TemporaryDirectory(prefix="tidegate-model-") as folder:
        path = await _local(where, Path(folder), source)
        sha256 = await asyncio.to_thread(_digest, path)
        if expected_sha256 is not None and sha256 != expected_sha256.lower():
            raise ModelError(
                f"the model {where} has the digest {sha256}, "
                f"but WORKER_MODEL_SHA256 says {expected_sha256.lower()}"
            )
        yield ModelFile(path, sha256)


async def _local(where: str, folder: Path, source: ModelSource) -> Path:
    if not where.startswith("s3://"):
        return Path(where)
    uri, version_id = parse_uri(where)
    # Its own name, as the suffix says how it is loaded.
    path = folder / PurePosixPath(uri.key).name
    await source.download(uri, path, version_id=version_id)
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
