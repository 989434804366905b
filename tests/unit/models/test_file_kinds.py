"""What is no model is named as what it is, and a name that a model needs is named too."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import sys
import tarfile
import zipfile
from pathlib import Path

import joblib
import pytest
import skops.io
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from worker.errors import ModelError
from worker.models import load_predictor

MODEL = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
SUFFIXES = [".pkl", ".joblib", ".skops", ".onnx", ".json", ".h5"]

POINTER = b"""version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 12345
"""


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model/model.pkl", pickle.dumps(MODEL))
    return buffer.getvalue()


def tarred(mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("model.pkl")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"1234"))
    return buffer.getvalue()


NO_MODELS = {
    "a pointer of Git LFS and not the file": POINTER,
    "JSON": b'{"learner": {}}',
    "an HTML page": b"<!DOCTYPE html>\n<html><body>404</body></html>",
    "XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "a tar archive": tarred("w"),
    "a tar archive.*compressed by gzip": tarred("w:gz"),
    "a tar archive.*compressed by bzip2": tarred("w:bz2"),
    "a tar archive.*compressed by xz": tarred("w:xz"),
    "JSON .compressed by gzip": gzip.compress(b"[1, 2]"),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "LightGBM's own text format": b"tree\nversion=v4\n",
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("kind", "content"), NO_MODELS.items(), ids=range(len(NO_MODELS)))
def test_what_is_no_model_is_named_as_that(
    tmp_path: Path, kind: str, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"model\{suffix} is no model: it is {kind}"):
        load_predictor(path)


@pytest.mark.parametrize("suffix", [".pkl", ".onnx", ".zip"])
def test_an_archive_is_named_with_what_is_in_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(zipped())
    with pytest.raises(ModelError, match=r"it is a zip archive, which holds model/model\.pkl"):
        load_predictor(path)


def test_a_file_of_skops_under_another_suffix_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    skops.io.dump(MODEL, path)
    with pytest.raises(ModelError, match=r"it is a file of skops: give it the suffix \.skops"):
        load_predictor(path)


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".skops", ".onnx"])
def test_an_empty_file_is_named_as_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.touch()
    with pytest.raises(ModelError, match=r"cannot be loaded: \w+: .*it is an empty file"):
        load_predictor(path)


def test_a_text_is_named_as_one_with_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    for text in ("id,x\n1,2\n", "colour\nred\n", "not a pickle", "\nimport os\n"):
        path.write_text(text)
        first = text.split()[0]
        with pytest.raises(
            ModelError, match=rf"cannot be loaded: .*it is a text that begins with '{first}.*model"
        ):
            load_predictor(path)


def test_a_text_that_is_a_pickle_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(MODEL, protocol=0))
    load_predictor(path)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_pickle_under_another_suffix_is_told_the_suffixes(
    tmp_path: Path, compress: object
) -> None:
    assert callable(compress)
    path = tmp_path / "model.model"
    for content in (pickle.dumps(MODEL), compress(pickle.dumps(MODEL))):
        path.write_bytes(content)
        with pytest.raises(ModelError, match="the suffix must be one of"):
            load_predictor(path)


def shout(words: object) -> object:
    return words


@pytest.mark.parametrize("kept", ["shout", "Shouter"])
def test_a_model_of_main_says_which_name_is_missing_and_how_to_save_it(
    tmp_path: Path, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.joblib"
    with monkeypatch.context() as patched:
        main = sys.modules["__main__"]
        thing = type(kept, (LinearRegression,), {"__module__": "__main__"})
        patched.setattr(shout, "__module__", "__main__")
        patched.setattr(main, kept, thing if kept == "Shouter" else shout, raising=False)
        model = make_pipeline(FunctionTransformer(shout), MODEL) if kept == "shout" else thing()
        joblib.dump(model, path)
    with pytest.raises(ModelError) as refusal:
        load_predictor(path)
    assert f"defined {kept} itself" in str(refusal.value)
    assert "Put " in str(refusal.value)
    assert "WORKER_PREDICTOR" in str(refusal.value)


def test_json_of_a_notebook_that_saved_nothing_is_json(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_text(json.dumps({"coef": [1.0]}, indent=1), encoding="utf-8-sig")
    with pytest.raises(ModelError, match="it is JSON"):
        load_predictor(path)
