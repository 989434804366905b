"""The build context, and the tag that stands for it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import worker
from tests.support.template import ROOT
from tidegate.image.context import PreparedImage, prepare
from tidegate.image.source import ImageSource
from tidegate.project_files import INSTALLED
from worker.errors import SettingsError

Prepare = Callable[..., PreparedImage]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """Prepare the image of a source, each time in another folder."""
    numbers = iter(range(100))

    def run(**source: object) -> PreparedImage:
        folder = tmp_path / f"context-{next(numbers)}"
        folder.mkdir()
        return prepare(ImageSource(**source), folder)  # type: ignore[arg-type]

    return run


def names(image: PreparedImage) -> set[str]:
    files = (path for path in image.folder.rglob("*") if path.is_file())
    return {path.relative_to(image.folder).as_posix() for path in files}


def test_the_context_holds_what_the_dockerfile_copies_and_nothing_else(prepared: Prepare) -> None:
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "worker").rglob("*.py")}
    locks = {"requirements/image.txt", "requirements/onnx.txt"}

    assert names(prepared()) == code | locks | {"Dockerfile"}


def test_the_same_source_has_the_same_tag_whatever_the_machine(
    prepared: Prepare, tmp_path: Path
) -> None:
    module = tmp_path / "churn.py"
    module.write_text("")
    first = prepared(packages=(module,))
    os.utime(module, (0, 0))
    before = os.umask(0o077)
    try:
        second = prepared(packages=(module,))
    finally:
        os.umask(before)

    assert first.tag == second.tag
    assert len(first.tag) == 12


def test_what_is_in_the_image_may_be_read_by_the_worker_which_is_another_user(
    prepared: Prepare,
) -> None:
    before = os.umask(0o077)
    try:
        image = prepared()
    finally:
        os.umask(before)

    modes = {path.stat().st_mode & 0o777 for path in image.folder.rglob("*")}
    assert modes == {0o644, 0o755}


@pytest.mark.usefixtures("index")
def test_any_other_choice_has_another_tag(prepared: Prepare, tmp_path: Path) -> None:
    mine, module = tmp_path / "my.txt", tmp_path / "churn.py"
    mine.write_text("boostling\n")
    module.write_text("")
    choices: list[dict[str, object]] = [
        {},
        {"requirements": mine},
        {"packages": (module,)},
        {"base": "example.com/ours:7"},
        {"python": "3.12"},
        {"architecture": "ARM64"},
        {"arguments": ("REQUIREMENTS=onnx",)},
    ]

    assert len({prepared(**choice).tag for choice in choices}) == len(choices)


def test_another_worker_has_another_tag(
    prepared: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = prepared().tag
    copy = tmp_path / "worker"
    shutil.copytree(ROOT / "worker", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(worker, "__file__", str(copy / "__init__.py"))
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "another.pyc").touch()
    assert prepared().tag == before

    (copy / "lifecycle" / "stop.py").write_text("# another\n")

    assert prepared().tag != before


@pytest.mark.usefixtures("index")
def test_the_lock_of_the_caller_takes_the_place_of_the_images_own(
    prepared: Prepare, tmp_path: Path
) -> None:
    mine = tmp_path / "my.txt"
    mine.write_text("boostling\n")

    image = prepared(requirements=mine)

    lock = (tmp_path / "my.lock.txt").read_text()
    assert (image.folder / "requirements" / "image.txt").read_text() == lock
    assert "boostling==2.0" in lock


def test_the_callers_code_is_copied_beside_the_worker_by_the_last_lines(
    prepared: Prepare, tmp_path: Path
) -> None:
    module = tmp_path / "churn.py"
    module.write_text("")

    image = prepared(packages=(module,))

    own = (ROOT / "Dockerfile").read_text()
    lines = (image.folder / "Dockerfile").read_text().removeprefix(own).splitlines()
    assert lines[-1] == "COPY packages/ /app/"
    assert "packages/churn.py" in names(image)


def test_a_lock_of_tidegates_own_and_one_of_the_caller_are_refused_together(
    prepared: Prepare, tmp_path: Path
) -> None:
    mine = tmp_path / "my.txt"
    mine.write_text("boostling\n")

    with pytest.raises(SettingsError, match=r"add onnxruntime to .*my\.txt"):
        prepared(requirements=mine, arguments=("REQUIREMENTS=onnx",))


def test_a_wheel_would_hold_these_files_beside_the_package() -> None:
    assert INSTALLED.relative_to(ROOT) == Path("tidegate/files")
    assert not INSTALLED.exists(), "in a checkout its own files count"
