"""uv resolves from a folder of tiny wheels, without a network; docker is a stand-in."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.wheels import only, write_locked, write_wheel

WINDOWS = "cp313-cp313-win_amd64"
# A stand-in for docker: it writes down its words and its input, and answers with a file's text.
DOCKER = """\
#!/bin/sh
if [ "$1" = info ]; then cat "$0.info" 2> /dev/null; exit; fi
printf '%s\\n' "$*" >> "$0.calls"
if [ "$1" = login ]; then cat >> "$0.input"; fi
if [ -e "$0.answer" ]; then cat "$0.answer"; fi
if [ -e "$0.fails" ]; then exit 1; fi
"""


@dataclass(frozen=True)
class StandIn:
    """The docker on the PATH."""

    program: Path

    @property
    def calls(self) -> list[str]:
        path = self.program.with_name("docker.calls")
        return path.read_text().splitlines() if path.exists() else []

    @property
    def input(self) -> str:
        return self.program.with_name("docker.input").read_text()

    def answer(self, text: str) -> None:
        self.program.with_name("docker.answer").write_text(text)

    def describe_image_store(self, text: str) -> None:
        self.program.with_name("docker.info").write_text(text)

    def fail(self) -> None:
        self.program.with_name("docker.fails").touch()


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return StandIn(program)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worker's own libraries, and some that a caller adds."""
    folder = tmp_path_factory.mktemp("wheels")
    write_locked(folder)
    write_wheel(folder, "scikit-learn", "1.6.1")
    write_wheel(folder, "numpy", "2.3.5")
    write_wheel(folder, "boostling", "1.0", ["numpy", "helpling"])
    write_wheel(folder, "boostling", "2.0", ["numpy", "helpling"])
    write_wheel(folder, "helpling", "1.0")
    write_wheel(folder, "oldling", "1.0", ["numpy<2.4"])
    write_wheel(folder, "newling", "1.0", python=">=3.13")
    write_wheel(folder, "winling", "1.0", tag=WINDOWS)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def index(wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that uv finds."""
    for name, value in only(wheels, cache).items():
        monkeypatch.setenv(name, value)
    return wheels
