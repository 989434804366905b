"""The environment of the local cloud's workers, made by the real uv from a folder of wheels."""

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
    shown: list[str] = []
    python = environment_for(mine, shown.append)
    code = "import boostling, scikit_learn; print(boostling.VERSION)"
    ran = subprocess.run(  # noqa: S603 - our own words
        [python, "-c", code], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "2.0\n"
    assert [command.split()[1] for command in shown] == ["pip", "venv", "pip"]

    assert environment_for(mine, shown.append) == python
    assert len(shown) == 3


def test_other_libraries_are_another_environment(mine: Path) -> None:
    before = environment_for(mine, lambda _: None)
    mine.write_text("boostling<2\n")

    assert environment_for(mine, lambda _: None) != before


def test_an_environment_that_could_not_be_made_leaves_nothing(mine: Path, tmp_path: Path) -> None:
    environment_for(mine, lambda _: None)
    lock = mine.with_name("my.lock.txt")
    made = tmp_path / "cache" / "tidegate" / "environments"
    before = list(made.iterdir())
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0"))

    with pytest.raises(TidegateError, match="uv ended with status"):
        environment_for(mine, lambda _: None)

    assert list(made.iterdir()) == before
