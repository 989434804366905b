"""The steps of the demo once the system is up, in the order in which they are shown."""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path

import joblib
import pandas as pd
from sklearn.base import ClassifierMixin

from tidegate.cli.demo.checks import DemoFailed, check_output
from tidegate.cli.demo.display import DemoDisplay, FileRow
from tidegate.cli.demo.inputs import InputFile, make_inputs
from tidegate.localcloud.stack_client import StackClient, output_key, report_key
from tidegate.localcloud.system import System

POLL_SECONDS = 0.15


class Scenario:
    """Sends a dozen files through the system, one of them broken and one delivered twice."""

    def __init__(self, system: System, display: DemoDisplay, folder: Path) -> None:
        self._agent = system.agent
        self._stack = system.stack
        self._display = display
        self._folder = folder
        self._client = StackClient(system.cloud, system.stack)
        self._model: ClassifierMixin = joblib.load(system.model)
        flowers = pd.read_csv(system.model.with_name("iris.csv"), dtype={"id": str})
        self._files = make_inputs(flowers)
        self._rows = {file.key: FileRow(file.key) for file in self._files}
        self._results = {
            report_key(file.key) if file.broken else output_key(file.key): file
            for file in self._files
        }

    async def run(self) -> None:
        """Run all steps; raises DemoFailed as soon as a check fails."""
        with self._display.files(list(self._rows.values())):
            await self._upload(self._files[:1])
            # The first file starts a worker; the others arrive while that worker runs.
            await self._agent.until(lambda: bool(self._agent.tasks))
            await self._upload(self._files[1:])
            await self._collect_results()
        self._show_checks()
        with self._display.step("one message sent twice; the worker handled both and exited"):
            await self._until_idle()
        await self._check_what_is_left()
        self._display.route(
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
            await self._client.upload(file.key, file.content)

    async def _collect_results(self) -> None:
        """Wait until each file has its output or failure report."""
        missing = dict(self._results)
        while missing:
            found = await self._client.outputs()
            seen = time.monotonic()
            for key in missing.keys() & found.keys():
                await self._collect(missing.pop(key), key, seen)
            self._check_tasks()
            await asyncio.sleep(POLL_SECONDS)

    async def _collect(self, file: InputFile, key: str, seen: float) -> None:
        """Save a file's result, check it and show it."""
        content = await self._client.read(key)
        await asyncio.to_thread(_save, self._folder / key, content)
        row = self._rows[file.key]
        row.seconds = seen - (row.uploaded or seen)
        if file.broken:
            report = json.loads(content)
            row.failure = f"{report['error_type']}: {report['message']}"
        else:
            row.rows, row.first_prediction = check_output(
                self._model, file.key, file.content, content
            )
        self._display.result(row)
        if file is self._files[0]:
            await self._client.send_again(file.key)

    async def _until_idle(self) -> None:
        """Wait until no message is left and no task runs.

        A worker may leave just before a message arrives: the event of its end starts the next one.
        """
        while self._agent.live or await self._client.waiting():
            await self._agent.until(lambda: not self._agent.live)
            await asyncio.sleep(POLL_SECONDS)

    def _show_checks(self) -> None:
        for row in self._rows.values():
            if row.failure:
                self._display.failure(row)
        good = sum(row.failure is None for row in self._rows.values())
        self._display.done(f"{good} outputs equal predicting in memory (rtol 1e-12), ids verbatim")

    async def _check_what_is_left(self) -> None:
        """Check that each output was written once, nothing runs, and one message is dead."""
        self._check_tasks()
        if (written := await self._client.outputs()) != dict.fromkeys(self._results, 1):
            raise DemoFailed(f"outputs, and how many times each was written: {written}")
        if waiting := await self._client.waiting():
            raise DemoFailed(f"{waiting} messages are left in the queue")
        broken = [file.key for file in self._files if file.broken]
        if (dead := await self._client.dead_letters()) != broken:
            raise DemoFailed(f"the dead-letter queue holds {dead}, expected {broken}")
        self._display.done("dead-letter queue holds only the broken file's message")
        exits = ", ".join(str(task.exit_code) for task in self._agent.tasks.values())
        self._display.done(f"nothing runs: 0 tasks (exit status {exits}), 0 messages waiting")

    def _check_tasks(self) -> None:
        if failures := self._agent.failures:
            raise DemoFailed(failures[0])


def _name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]


def _save(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
