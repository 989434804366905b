"""The worker processes of a run. A process that ends is replaced, as ECS would."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from tests.support.scenario import ROOT


@dataclass
class Worker:
    """One process of `python -m worker`, the leader of a process group of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    suffered: list[str] = field(default_factory=list)  # what was done to it

    def events(self) -> Iterator[dict[str, object]]:
        """Return the events it logged. A line that is not JSON counts as an error."""
        text = self.log.read_text(errors="replace")
        whole = text[: text.rfind("\n") + 1]  # a killed worker may have written half a line
        for line in whole.splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                yield {"event": "no JSON", "level": "error", "line": line}

    def is_ready(self) -> bool:
        """Return whether it has logged that it is ready."""
        return any(event["event"] == "ready" for event in self.events())


class Fleet:
    """A fixed number of workers that run at once."""

    def __init__(self, size: int, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._numbers = count(1)
        self.ended: list[Worker] = []
        self.running = [self._started() for _ in range(size)]

    def is_up(self) -> bool:
        """Return whether each worker is ready, or has ended before it was."""
        return all(
            worker.process.poll() is not None or worker.is_ready() for worker in self.running
        )

    def replace_ended(self) -> None:
        """Start a new worker for each that has ended."""
        for slot, worker in enumerate(self.running):
            if worker.process.poll() is not None:
                self.ended.append(worker)
                self.running[slot] = self._started()

    def stop(self, seconds: float) -> None:
        """Stop all and wait. A worker that does not end in time is killed, as its status shows."""
        for worker in self.running:
            worker.suffered.append("SIGTERM")
            worker.process.terminate()
        while self.running:
            worker = self.running.pop(0)
            self.ended.append(worker)
            try:
                worker.process.wait(seconds)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def kill(self) -> None:
        """Kill every process that is left of the workers and their children."""
        for worker in self.running + self.ended:
            with suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()

    def _started(self) -> Worker:
        log = self._logs / f"worker-{next(self._numbers):03}.log"
        with log.open("ab") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker"],
                cwd=ROOT,
                env=self._environment,
                stdout=subprocess.DEVNULL,
                stderr=sink,
                start_new_session=True,
            )
        return Worker(process, log)
