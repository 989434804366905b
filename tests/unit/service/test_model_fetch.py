"""Fetching the model, on an event loop with the real clock: a thread computes the digest."""

import asyncio
import hashlib
import resource
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


@pytest.mark.parametrize("atomically", [True, False])
def test_a_local_model_that_is_replaced_later_stays_what_was_hashed(
    tmp_path: Path, *, atomically: bool
) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(CONTENT)

    async def replace_and_read() -> tuple[ModelFile, bytes]:
        async with fetch_model(str(path), None, ModelBucket()) as model:
            new = tmp_path / "new" if atomically else path
            new.write_bytes(b"another model")
            new.replace(path)
            return model, model.path.read_bytes()

    model, loaded = asyncio.run(replace_and_read())
    assert loaded == CONTENT
    assert model.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert model.path.name == path.name
    assert not model.path.exists()
    assert path.read_bytes() == b"another model"


def test_files_beside_a_local_model_are_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    for beside in (path, tmp_path / "model.pkl_01.npy", tmp_path / "vocabulary.json"):
        beside.write_bytes(CONTENT)

    async def copied() -> list[str]:
        async with fetch_model(str(path), None, ModelBucket()) as model:
            return [copy.name for copy in model.path.parent.iterdir()]

    assert asyncio.run(copied()) == ["model.pkl"]


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        fetch(str(tmp_path))


def test_a_full_disk_is_named_with_the_model_and_its_copy(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(bytes(100_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # as a full disk, near enough
    try:
        with pytest.raises(ModelError, match=r"model\.pkl cannot be copied to .*: File too large"):
            fetch(str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_the_error_for_a_missing_file_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.pkl cannot be read: No such file"):
        fetch(str(tmp_path / "nothing.pkl"))


@pytest.mark.parametrize("where", ["s3://", "s3://bucket", "s3://bucket/", "s3://bucket/folder/"])
def test_a_uri_without_an_object_key_is_refused(where: str) -> None:
    with pytest.raises(ModelError, match="s3://bucket/key"):
        parse_uri(where)
