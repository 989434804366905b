"""These run on a loop of the real clock: a digest is computed in a thread."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from worker.errors import ModelError
from worker.job import S3Uri
from worker.service.model_fetch import ModelFile, fetch_model, parse_uri
from worker.storage.s3 import S3Storage

CONTENT = b"a pickle, never loaded here"


class Bucket(S3Storage):
    """Holds one model, and notes which version was asked for."""

    version_id: str | None = None

    def __init__(self) -> None:
        """Need no client: the model is here."""

    async def download(self, uri: S3Uri, path: Path, *, version_id: str | None) -> None:
        assert uri == S3Uri("models", "dir/model.pkl")
        self.version_id = version_id
        path.write_bytes(CONTENT)  # noqa: ASYNC240 - a few bytes


def fetch(where: str, expected: str | None = None, bucket: Bucket | None = None) -> ModelFile:
    async def inner() -> ModelFile:
        async with fetch_model(where, expected, bucket or Bucket()) as model:
            assert model.path.read_bytes() == CONTENT
            return model

    return asyncio.run(inner())


def test_a_model_in_s3_keeps_the_name_that_says_how_it_is_loaded_and_leaves_no_file() -> None:
    model = fetch("s3://models/dir/model.pkl")
    assert model.path.name == "model.pkl"
    assert model.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert not model.path.exists()


def test_a_version_can_be_named() -> None:
    bucket = Bucket()
    fetch("s3://models/dir/model.pkl?versionId=abc", bucket=bucket)
    assert bucket.version_id == "abc"


def test_the_right_digest_is_accepted_in_capitals_too() -> None:
    fetch("s3://models/dir/model.pkl", hashlib.sha256(CONTENT).hexdigest().upper())


def test_a_model_with_another_digest_is_refused_before_anything_is_unpickled() -> None:
    with pytest.raises(ModelError, match="WORKER_MODEL_SHA256 says 000"):
        fetch("s3://models/dir/model.pkl", "0" * 64)


def test_a_path_is_used_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(CONTENT)
    assert fetch(str(path)).path == path
    assert path.exists()


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.pkl cannot be read: No such file"):
        fetch(str(tmp_path / "nothing.pkl"))


@pytest.mark.parametrize("where", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/folder/"])
def test_an_address_without_an_object_is_refused(where: str) -> None:
    with pytest.raises(ModelError, match="s3://bucket/key"):
        parse_uri(where)
