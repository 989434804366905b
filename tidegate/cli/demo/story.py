"""What happens in the demo once the system is up, in the order in which it is shown."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import joblib
import pandas as pd
from sklearn.base import ClassifierMixin

from tidegate.cli.demo.checks import DemoFailed, check_output
from tidegate.cli.demo.inputs import InputFile, make_inputs
from tidegate.cli.demo.traffic import Traffic, output_key, report_key
from tidegate.cli.screen import Row, Screen
from tidegate.localcloud.system import System

POLL_SECONDS = 0.15


class Story:
    """A dozen files, one of them broken and one delivered twice, carried through the system."""

    def __init__(self, system: System, screen: Screen, folder: Path) -> None:
        self._agent = system.agent
        self._stack = system.stack
        self._screen = screen
        self._folder = folder
        self._traffic = Traffic(system.cloud, system.stack)
        self._model: ClassifierMixin = joblib.load(system.example / "model.pkl")
        flowers = pd.read_csv(system.example / "iris.csv", dtype={"id": str})
        self._files = make_inputs(flowers)
        self._rows = {file.key: Row(file.key) for file in self._files}
        self._results = {
            report_key(file.key) if file.broken else output_key(file.key): file
            for file in self._files
        }

    async def tell(self) -> None:
        """Tell it to the end; raises DemoFailed as soon as something is not as it should be."""
        with self._screen.files(list(self._rows.values())):
            await self._upload(self._files[:1])
            # One file wakes one worker, and the others find it at work.
            await self._agent.until(lambda: bool(self._agent.tasks))
            await self._upload(self._files[1:])
            await self._until_all_are_back()
        self._show_checks()
        await self._traffic.deliver_again(self._files[0].key)
        with self._screen.step("one message delivered twice: the worker took both, and left"):
            await self._agent.until(lambda: not self._agent.live)
        await self._check_what_is_left()
        self._screen.road(
            [
                ("bucket", self._stack.input_bucket),
                ("dispatcher", f"{self._stack.dispatcher_function}, a function under its own role"),
                ("queue", _name(self._stack.queue_url)),
                (
                    "worker",
                    f"{len(self._agent.tasks)} task running python -m worker under the task role",
                ),
                ("bucket", self._stack.output_bucket),
            ]
        )

    async def _upload(self, files: Sequence[InputFile]) -> None:
        for file in files:
            self._rows[file.key].uploaded = time.monotonic()
            await self._traffic.upload(file.key, file.content)

    async def _until_all_are_back(self) -> None:
        missing = dict(self._results)
        while missing:
            there = await self._traffic.outputs()
            seen = time.monotonic()
            for result in missing.keys() & there.keys():
                await self._take(missing.pop(result), result, seen)
            self._refuse_bad_exits()
            await asyncio.sleep(POLL_SECONDS)

    async def _take(self, file: InputFile, result: str, seen: float) -> None:
        """Keep what came back, check it and show it."""
        content = await self._traffic.read(result)
        await asyncio.to_thread(_keep, self._folder / result, content)
        row = self._rows[file.key]
        row.seconds = seen - (row.uploaded or seen)
        if file.broken:
            report = json.loads(content)
            row.failure = f"{report['error_type']}: {report['message']}"
        else:
            row.rows, row.first = check_output(self._model, file.key, file.content, content)
        self._screen.came_back(row)

    def _show_checks(self) -> None:
        for row in self._rows.values():
            if row.failure:
                self._screen.fault(row)
        good = sum(row.failure is None for row in self._rows.values())
        self._screen.done(f"{good} outputs equal predicting in memory (rtol 1e-12), ids verbatim")

    async def _check_what_is_left(self) -> None:
        """Each output was written once, nothing waits or runs, and one message is dead."""
        self._refuse_bad_exits()
        if (written := await self._traffic.outputs()) != dict.fromkeys(self._results, 1):
            raise DemoFailed(f"the output bucket holds, with the times written: {written}")
        if waiting := await self._traffic.waiting():
            raise DemoFailed(f"{waiting} messages are left in the queue")
        broken = [file.key for file in self._files if file.broken]
        if (dead := await self._traffic.dead_letters()) != broken:
            raise DemoFailed(f"the dead-letter queue holds {dead} and not {broken}")
        self._screen.done("dead-letter queue holds the broken file alone, with the reason")
        exits = ", ".join(str(task.exit_code) for task in self._agent.tasks.values())
        self._screen.done(f"nothing runs: 0 tasks (exit status {exits}), 0 messages waiting")

    def _refuse_bad_exits(self) -> None:
        if bad := [task.exit_code for task in self._agent.tasks.values() if task.exit_code]:
            raise DemoFailed(f"a worker exited with status {bad[0]}")


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
