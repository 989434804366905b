"""Fetching the model, on an event loop with the real clock: a thread computes the digest."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from worker.errors import ModelError
from worker.job import S3Uri
from worker.service.model_fetch import ModelFile, fetch_model, parse_uri
from worker.storage.s3 import S3Storage

CONTENT = b"a pickle, never loaded here"


class ModelBucket(S3Storage):
    """Holds one model; `version_id` is the version that was downloaded."""

    version_id: str | None = None

    def __init__(self) -> None:
        """Needs no client."""

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        assert uri == S3Uri("models", "dir/model.pkl")
        self.version_id = version_id
        path.write_bytes(CONTENT)  # noqa: ASYNC240 - a few bytes


def fetch(where: str, expected: str | None = None, bucket: ModelBucket | None = None) -> ModelFile:
    async def inner() -> ModelFile:
        async with fetch_model(where, expected, bucket or ModelBucket()) as model:
            assert model.path.read_bytes() == CONTENT
            return model

    return asyncio.run(inner())


def test_a_model_from_s3_has_its_own_file_name_and_leaves_no_file() -> None:
    model = fetch("s3://models/dir/model.pkl")
    assert model.path.name == "model.pkl"
    assert model.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert not model.path.exists()


def test_the_version_in_the_uri_is_downloaded() -> None:
    bucket = ModelBucket()
    fetch("s3://models/dir/model.pkl?versionId=abc", bucket=bucket)
    assert bucket.version_id == "abc"


def test_the_right_digest_is_accepted_in_capital_letters_too() -> None:
    fetch("s3://models/dir/model.pkl", hashlib.sha256(CONTENT).hexdigest().upper())


def test_a_model_with_another_digest_is_refused_before_anything_is_unpickled() -> None:
    with pytest.raises(ModelError, match="WORKER_MODEL_SHA256 says 000"):
        fetch("s3://models/dir/model.pkl", "0" * 64)


def test_a_local_path_is_used_without_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(CONTENT)
    assert fetch(str(path)).path == path
    assert path.exists()


def test_the_error_for_a_missing_file_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.pkl cannot be read: No such file"):
        fetch(str(tmp_path / "nothing.pkl"))


@pytest.mark.parametrize("where", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/folder/"])
def test_a_uri_without_an_object_key_is_refused(where: str) -> None:
    with pytest.raises(ModelError, match="s3://bucket/key"):
        parse_uri(where)
