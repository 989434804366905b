"""Signals while the worker is still importing: it ends at once, with status 0 and a log line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.scenario import REGION, ROOT

# Stands in for a library whose import takes long: it says that the import is under way, and waits
# for what never comes. The forkserver, which the worker starts first, waits there for its end.
STUB = """
import os
import signal
import sys

if sys.argv[0] == "-c":
    signal.pause()
os.write({ready}, b"x")
os.read({held}, 1)
"""
SIGNALS = [signal.SIGTERM, signal.SIGINT]
# The first library that `python -m worker` imports, one behind the settings, and one that only a
# worker with good settings imports.
LIBRARIES = ["argparse", "pydantic", "structlog", "aioboto3"]


@contextmanager
def importing(library: str, folder: Path, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """Start a worker, and hold it in the import of the library for the length of the block."""
    ready_end, ready = os.pipe()
    held, held_end = os.pipe()
    (folder / f"{library}.py").write_text(STUB.format(ready=ready, held=held))
    model = folder / "model.pkl"
    model.touch()
    with subprocess.Popen(
        [sys.executable, "-m", "worker"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(folder),
            "AWS_REGION": REGION,
            "WORKER_QUEUE": "jobs",
            "WORKER_MODEL": str(model),
            **changes,
        },
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(ready, held),
    ) as process:
        os.close(ready)
        os.close(held)
        try:
            assert os.read(ready_end, 1) == b"x"
            yield process
        finally:
            process.kill()
            os.close(ready_end)
            os.close(held_end)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_the_imports_ends_the_worker_in_order(
    tmp_path: Path, library: str, number: signal.Signals
) -> None:
    with importing(library, tmp_path) as process:
        process.send_signal(number)
        _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    (line,) = [json.loads(line) for line in stderr.splitlines()]
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "stopped", "level": "info", "reason": number.name}


def test_the_line_is_for_people_if_the_log_is(tmp_path: Path) -> None:
    with importing("structlog", tmp_path, WORKER_LOG_FORMAT="console") as process:
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate()
    assert process.returncode == 0
    (line,) = stderr.splitlines()
    assert "[info     ] stopped " in line
    assert line.endswith("reason=SIGTERM")


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    with importing("pydantic", tmp_path) as process:
        for number in SIGNALS:
            process.send_signal(number)
        process.communicate()
    assert process.returncode == 0
