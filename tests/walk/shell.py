"""A shell in which commands are typed one after another, as in a terminal."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

MARK = "=== ended with "


@dataclass(frozen=True, slots=True)
class Typed:
    """What a command printed, and how it ended."""

    status: int
    printed: str


class Shell:
    """A bash that keeps its variables, aliases and functions from one command to the next.

    It reads its commands from a pipe of its own, so that no command can read the ones behind it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        reader, self._commands = os.pipe()
        self._process = subprocess.Popen(  # noqa: S603 - the pages' own commands
            ["bash", f"/dev/fd/{reader}"],  # noqa: S607 - whichever bash there is
            cwd=folder,
            env=environment,
            pass_fds=[reader],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(reader)
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.run("shopt -s expand_aliases")

    def run(self, command: str) -> Typed:
        """Type a command, and wait for its end."""
        self.start(f"{command}\nprintf '\\n{MARK}%s\\n' $?")
        printed = self.read_until(lambda lines: lines[-1].startswith(MARK))
        status = int(printed.pop().removeprefix(MARK))
        if printed[-1:] == [""]:
            printed.pop()  # the line end that stands before the mark
        return Typed(status, "\n".join(printed))

    def start(self, command: str) -> None:
        """Type a command, and do not wait for its end."""
        os.write(self._commands, f"{command}\n".encode())

    def read_until(self, enough: Callable[[list[str]], bool]) -> list[str]:
        """Return the lines that are printed until they are enough; raises EOFError at the end."""
        lines = list[str]()
        while True:
            line = self._lines.get()
            if line is None:
                raise EOFError("\n".join(lines))
            lines.append(line)
            if enough(lines):
                return lines

    def close(self) -> None:
        """Press Ctrl-C, and close the terminal."""
        os.killpg(self._process.pid, signal.SIGINT)
        os.close(self._commands)
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as printed:
            for line in printed:
                self._lines.put(line.decode().removesuffix("\n"))
        self._lines.put(None)
