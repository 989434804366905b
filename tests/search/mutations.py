"""The engine with a fault put into it on purpose, which the search must find."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
MOST_SCHEDULES = 300
PLAY = """
import gc, sys
from tests.search.schedule import play
gc.freeze()
for seed in map(int, sys.argv[1:]):
    if broken := play(seed).broken:
        sys.exit(f"seed {seed}: {broken[0]}")
"""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fault: in a file of the worker, text that stands there exactly once is replaced."""

    fault: str
    file: str
    seed: int
    change: Sequence[Any]  # tables of `old` and `new`

    def __str__(self) -> str:
        return self.fault


def mutations() -> list[Mutation]:
    """Read them."""
    text = Path(__file__).with_suffix(".toml").read_text()
    return [Mutation(**table) for table in tomllib.loads(text)["mutation"]]


@contextmanager
def mutated(mutation: Mutation) -> Iterator[Path]:
    """Have the tests beside a worker with that fault in it, in a folder of their own."""
    with TemporaryDirectory(prefix="tidegate-mutation-") as name:
        folder = Path(name)
        (folder / "tests").symlink_to(ROOT / "tests")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "worker", folder / "worker", ignore=ignored)
        path = folder / "worker" / mutation.file
        text = path.read_text()
        for change in mutation.change:
            assert text.count(change["old"]) == 1, f"{path.name} has changed: {change['old']!r}"
            text = text.replace(change["old"], change["new"])
        path.write_text(text)
        yield folder


def caught(mutation: Mutation) -> str:
    """Return what the search says of a mutation; empty when no schedule noticed it."""
    seeds = [mutation.seed, *range(MOST_SCHEDULES)]
    with mutated(mutation) as folder:
        said = run(folder, "-c", PLAY, *map(str, seeds)).stderr.strip()
    assert not said or said.startswith("seed "), said
    return said


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on the project in a folder."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - our own
