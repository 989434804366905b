"""The lock of an image's libraries, resolved by the real uv from a folder of wheels."""

import re
import sys
from pathlib import Path

import pytest

from tidegate.image.lock import lock, lock_path
from tidegate.image.requirements import pins_of
from tidegate.image.source import ImageSource
from tidegate.project_files import project_file
from worker.errors import SettingsError, TidegateError

BASE = pins_of(project_file("requirements/image.txt").read_text())
pytestmark = pytest.mark.usefixtures("index")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "my.txt"


def locked(mine: Path, text: str, python: str | None = None) -> Path:
    mine.write_text(text)
    return lock(ImageSource(mine, python=python))


def pins(made: Path) -> dict[str, frozenset[str]]:
    return dict(pins_of(made.read_text()))


def test_the_libraries_stand_beside_the_base_lock_whose_versions_hold(mine: Path) -> None:
    made = locked(mine, "boostling\n")

    assert made == mine.with_name("my.lock.txt")
    added = {"boostling": frozenset({"2.0"}), "helpling": frozenset({"1.0"})}
    needed = {name: BASE[name] for name in ("numpy", "pandas", "scikit-learn", "aioboto3")}
    assert (added | needed).items() <= pins(made).items()


def test_every_library_has_its_hashes(mine: Path) -> None:
    text = locked(mine, "boostling\n").read_text()

    entries = re.findall(r"^[\w.-]+==", text, re.MULTILINE)
    assert len(re.findall(r"== ?\S+(?: ;.*)? \\\n    --hash=sha256:", text)) == len(entries)


def test_a_lock_that_is_up_to_date_needs_no_uv_and_any_other_does(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = locked(mine, "boostling\n")
    monkeypatch.setattr(sys, "executable", str(mine.with_name("python")))
    monkeypatch.setenv("PATH", str(mine.parent))

    assert locked(mine, "boostling\n") == made
    with pytest.raises(TidegateError, match=r"uv is missing.*tidegate\[cli\]"):
        locked(mine, "boostling<2\n")


def test_a_lock_is_made_once_and_again_when_what_it_was_made_from_changes(mine: Path) -> None:
    shown: list[str] = []
    mine.write_text("boostling<2\n")
    for _ in range(2):
        lock(ImageSource(mine), shown.append)
    assert len(shown) == 1

    mine.write_text("boostling\n")
    made = lock(ImageSource(mine), shown.append)

    assert len(shown) == 2
    assert pins(made)["boostling"] == {"1.0"}, "a version that still fits stays"


def test_a_file_that_is_included_is_a_part_of_what_the_lock_was_made_from(mine: Path) -> None:
    more = mine.with_name("more.txt")
    more.write_text("helpling\n")
    assert "boostling" not in pins(locked(mine, "-r more.txt\n"))

    more.write_text("boostling\n")

    assert "boostling" in pins(locked(mine, "-r more.txt\n"))


def test_another_version_of_a_library_of_the_base_is_a_choice_and_is_said(mine: Path) -> None:
    mine.write_text("scikit-learn==1.6.1\nboostling\n")
    for _ in range(2):  # also when the lock is there
        shown: list[str] = []
        made = lock(ImageSource(mine), shown.append)

        (version,) = BASE["scikit-learn"]
        assert shown[-1] == f"# my.lock.txt has scikit-learn 1.6.1 instead of {version}"
        assert pins(made)["numpy"] == BASE["numpy"]


def test_a_version_below_what_the_worker_needs_is_refused_with_the_bound(mine: Path) -> None:
    with pytest.raises(TidegateError, match=r"the worker itself needs scikit-learn>=1\.6"):
        locked(mine, "scikit-learn==1.5.2\n")


def test_a_conflict_names_both_sides_and_what_to_do(mine: Path) -> None:
    with pytest.raises(TidegateError) as refused:
        locked(mine, "oldling\n")

    (numpy,) = BASE["numpy"]
    assert re.search(r"oldling.* depends? on numpy<2.4", str(refused.value))
    assert f"numpy=={numpy}" in str(refused.value)
    assert "add a line such as `numpy<2.4`" in str(refused.value)
    assert not lock_path(mine).exists()

    assert pins(locked(mine, "oldling\nnumpy<2.4\n"))["numpy"] == {"2.3.5"}


def test_a_library_without_a_wheel_for_the_image_is_refused(mine: Path) -> None:
    with pytest.raises(TidegateError, match=r"no wheel for Python 3\.13 on linux/amd64") as refused:
        locked(mine, "winling\n")

    assert "winling==1.0 has no wheels" in str(refused.value)
    assert not lock_path(mine).exists()


def test_a_library_that_is_not_there_is_named(mine: Path) -> None:
    with pytest.raises(TidegateError, match=r"missling was not found[^`]*Check the names in my"):
        locked(mine, "missling\n")


def test_a_library_for_newer_pythons_needs_the_python_named(mine: Path) -> None:
    with pytest.raises(TidegateError, match=r"newling.*Python >=3\.13[^`]*`--python 3\.13`"):
        locked(mine, "newling\n")

    assert "newling" in pins(locked(mine, "newling\n", python="3.13"))


def test_a_project_in_a_folder_is_no_library(mine: Path) -> None:
    project = mine.with_name("churn")
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "churn"\nversion = "1"\n')

    with pytest.raises(TidegateError, match="--package"):
        locked(mine, f"churn @ {project.as_uri()}\n")


def test_a_folder_that_cannot_be_written_is_said(mine: Path) -> None:
    mine.write_text("boostling\n")
    lock_path(mine).mkdir()

    with pytest.raises(TidegateError, match="cannot be kept beside"):
        lock(ImageSource(mine))


def test_a_requirements_file_that_is_not_there_is_said(mine: Path) -> None:
    with pytest.raises(SettingsError, match="there is no requirements file"):
        lock(ImageSource(mine))
