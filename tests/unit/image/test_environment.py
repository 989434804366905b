"""The environment of the local cloud's workers, made by the real uv from a folder of wheels."""

import re
import subprocess
from pathlib import Path

import pytest

from tidegate.image.environment import environment_for
from worker.errors import TidegateError

pytestmark = pytest.mark.usefixtures("index")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "my.txt"
    path.write_text("boostling\n")
    return path


def test_it_has_the_worker_s_libraries_and_the_caller_s_and_is_made_once(mine: Path) -> None:
    python = environment_for(mine)
    code = "import boostling, scikit_learn; print(boostling.VERSION)"
    ran = subprocess.run(  # noqa: S603 - our own words
        [python, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "2.0\n"

    made = python.lstat().st_mtime_ns
    assert environment_for(mine) == python
    assert python.lstat().st_mtime_ns == made


def test_other_libraries_are_another_environment(mine: Path) -> None:
    before = environment_for(mine)
    mine.write_text("boostling<2\n")

    assert environment_for(mine) != before


def test_an_environment_that_could_not_be_made_leaves_nothing(mine: Path, tmp_path: Path) -> None:
    environment_for(mine)
    lock = mine.with_name("my.lock.txt")
    made = tmp_path / "cache" / "tidegate" / "environments"
    before = list(made.iterdir())
    lock.write_text(re.sub("sha256:.{64}", f"sha256:{0:064}", lock.read_text()))

    with pytest.raises(TidegateError, match="Hash mismatch"):
        environment_for(mine)

    assert list(made.iterdir()) == before
