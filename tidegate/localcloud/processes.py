"""Child processes that end with the block that started them."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from worker.errors import TidegateError

RUN_SECONDS = 600  # only a hang lasts as long


class CommandFailed(TidegateError):
    """A program failed; the message quotes the end of its log."""


@asynccontextmanager
async def running(
    *command: str | Path, environment: Mapping[str, str], folder: Path, log: Path
) -> AsyncIterator[Process]:
    """Run a program with exactly this environment; kill it and its children at the block's end.

    The program has its own session, so that Ctrl-C in the terminal reaches this process alone, and
    this process decides in which order the others stop.
    """
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            cwd=folder,
            stdin=DEVNULL,
            stdout=sink,
            stderr=STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # The whole group, because children may outlive their parent.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def run(
    *command: str | Path, environment: Mapping[str, str], folder: Path, log: Path
) -> None:
    """Run a program to its end; raises CommandFailed, quoting its log, unless it exits 0."""
    called = " ".join(str(part) for part in command[:3])
    async with running(*command, environment=environment, folder=folder, log=log) as process:
        try:
            async with asyncio.timeout(RUN_SECONDS):
                status = await process.wait()
        except TimeoutError:
            raise CommandFailed(f"{called} … took over {RUN_SECONDS} s:\n{tail(log)}") from None
    if status != 0:
        raise CommandFailed(f"{called} … ended with status {status}:\n{tail(log)}")


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented to be quoted in a message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:]) or "  | (nothing)"
