"""A contender's processes as the harness sees them: started, looked after, ended."""

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

from benchmarks.contenders import Contender

ROOT = Path(__file__).resolve().parent.parent
LAST_WORDS = 2000
START_SECONDS = 120

Sample = tuple[float, int, float]


class LaunchFailed(Exception):
    """A contender failed, or did not do all of its work; the message has its last words."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a contender's processes took, all together."""

    started: float
    ended: float
    cpu_seconds: float
    peak_bytes: int
    series: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Launch:
    """A contender that runs."""

    name: str
    process: subprocess.Popen[str]
    log: Path

    def check(self, deadline: float) -> None:
        """Raise LaunchFailed when it has failed, or takes for ever."""
        if self.process.poll() or time.monotonic() > deadline:
            raise LaunchFailed(f"{self.name}: {self.said()[-LAST_WORDS:]}")

    def until(self, words: str, times: int) -> None:
        """Wait until its log has said something so many times."""
        deadline = time.monotonic() + START_SECONDS
        while self.said().count(words) < times:
            self.check(deadline)
            time.sleep(0.1)

    def stop(self) -> None:
        """Ask its processes to end."""
        self.process.terminate()

    def took(self) -> Took:
        """Wait for its end; raises LaunchFailed if that is a bad one."""
        said, _ = self.process.communicate()
        self.check(float("inf"))
        return Took(**json.loads(said))

    def said(self) -> str:
        """Read its log."""
        return self.log.read_text(errors="replace")


@contextmanager
def launched(contender: Contender, environment: Mapping[str, str], log: Path) -> Iterator[Launch]:
    """Start a contender, none of whose processes outlives the block."""
    with (
        log.open("wb") as sink,
        subprocess.Popen(  # noqa: S603 - as in launch
            [sys.executable, "-m", "benchmarks.launch", str(contender.copies), contender.module],
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
