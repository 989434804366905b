"""Start a contender's processes, read their log, and measure or stop them.

The processes run below `benchmarks.harness.run_copies`, which measures them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.contenders import Contender

ROOT = Path(__file__).resolve().parents[2]
QUOTED_CHARACTERS = 2000
START_SECONDS = 120

Sample = tuple[float, int, float]


class LaunchFailed(Exception):
    """A contender failed or did not finish its work; the message quotes the end of its log."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that all of a contender's processes used together."""

    started: float
    ended: float
    cpu_seconds: float
    peak_bytes: int
    series: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Launch:
    """A running contender."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    def check(self, deadline: float) -> None:
        """Raise LaunchFailed if the contender has failed or the deadline has passed."""
        if self.process.poll() or time.monotonic() > deadline:
            raise LaunchFailed(f"{self.name}: {self.read_log()[-QUOTED_CHARACTERS:]}")

    def wait_for_log(self, text: str, times: int) -> None:
        """Wait until the contender's log contains a text so many times."""
        deadline = time.monotonic() + START_SECONDS
        while self.read_log().count(text) < times:
            self.check(deadline)
            time.sleep(0.1)

    def stop(self) -> None:
        """Send SIGTERM to the contender's processes."""
        self.process.terminate()

    def usage(self) -> Usage:
        """Wait for the contender's end; raises LaunchFailed if the exit status is not 0."""
        printed, _ = self.process.communicate()
        self.check(float("inf"))
        return Usage(**json.loads(printed))

    def read_log(self) -> str:
        """Return the contender's log."""
        return self.log.read_text(errors="replace")


@contextmanager
def launched(contender: Contender, environment: Mapping[str, str], log: Path) -> Iterator[Launch]:
    """Start a contender; its processes are killed at the end of the block."""
    with (
        log.open("wb") as sink,
        subprocess.Popen(  # noqa: S603 - as in run_copies
            [
                sys.executable,
                "-m",
                "benchmarks.harness.run_copies",
                str(contender.copies),
                contender.module,
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Launch(contender.name, process, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
