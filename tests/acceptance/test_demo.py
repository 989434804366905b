import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.processes import processes_below
from tests.support.waiting import eventually
from tidegate.cli.demo.inputs import BROKEN_KEY, KEYS
from tidegate.localcloud.cloud import CHECKOUT


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Make a folder for the temporary files of a demo, by which its processes are found.

    The folder's name is short, unlike pytest's own: the worker puts a socket into the folder, and
    the path of a socket may not be long.
    """
    with TemporaryDirectory(prefix="demo-") as name:
        yield Path(name)


@pytest.fixture
def environment(temporary: Path) -> Mapping[str, str]:
    """Name that folder, and an AWS profile and an endpoint that the demo must not use."""
    return {
        **os.environ,
        "AWS_PROFILE": "somebody's own, which does not exist",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "PYTHONPATH": str(CHECKOUT),
        "TMPDIR": str(temporary),
    }


@contextmanager
def demo(folder: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tidegate", "demo"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            # Not SIGKILL: a test that failed must not leave a cloud behind.
            process.terminate()


def test_the_demo_predicts_every_file_says_what_is_wrong_with_the_broken_one_and_cleans_up(
    tmp_path: Path,
    temporary: Path,
    environment: Mapping[str, str],
) -> None:
    of_an_earlier_run = tmp_path / "demo-output" / "predictions" / "old.csv"
    of_an_earlier_run.parent.mkdir(parents=True)
    of_an_earlier_run.touch()

    with demo(tmp_path, environment) as process:
        printed, _ = process.communicate()

    assert process.returncode == 0, printed
    assert [key for key in (*KEYS, BROKEN_KEY) if key not in printed] == []
    assert "SchemaMismatch" in printed
    assert "petal_length" in printed
    output = tmp_path / "demo-output" / "predictions"
    kept = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    assert kept == {*KEYS, f"_failed/{BROKEN_KEY}.json"}
    assert processes_below(temporary) == []
    assert list(temporary.iterdir()) == []


def test_ctrl_c_midway_ends_the_demo_with_130_and_leaves_nothing(
    tmp_path: Path,
    temporary: Path,
    environment: Mapping[str, str],
) -> None:
    with demo(tmp_path, environment) as process:
        eventually(lambda: [one for one in processes_below(temporary) if "-m worker" in one])
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()

    assert process.returncode == 130, printed
    assert processes_below(temporary) == []
    assert list(temporary.iterdir()) == []


def test_without_the_local_cloud_installed_the_demo_says_what_installs_it(
    tmp_path: Path, environment: Mapping[str, str]
) -> None:
    with demo(tmp_path, {**environment, "TIDEGATE_CLOUD_ENV": str(tmp_path)}) as process:
        printed, _ = process.communicate()

    assert process.returncode == 1
    assert "`make demo` installs" in printed
