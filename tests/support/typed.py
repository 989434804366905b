"""`tidegate` as a person types it: in a process of its own, in a pipe or on a terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.support.iam.operator import actions_of_calls
from tests.support.schemas import checked
from tests.support.waiting import eventually
from tests.support.warm_commands import WarmCommands
from tidegate.localcloud.cloud import CHECKOUT, ROOT, Credentials
from tidegate.localcloud.stack import NAME
from tidegate.localcloud.system import System

ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
Ran = subprocess.CompletedProcess[str]


class Terminal:
    """Runs `tidegate` as a person does, in a process of its own, and remembers what it asks for."""

    def __init__(self, system: System, commands: WarmCommands, who: Credentials = ROOT) -> None:
        self._agent = system.agent
        self._commands = commands
        self._environment = {**system.cloud.environment(who), "TIDEGATE_STACK": NAME}
        self._environment["PYTHONPATH"] = str(CHECKOUT)
        self.asked: defaultdict[str, set[str]] = defaultdict(set)  # actions, by the command

    def run(self, *arguments: str) -> Ran:
        warm = self._commands.run([*arguments, "--show-commands"], CHECKOUT, self._environment)
        ran = Ran(arguments, warm.returncode, warm.stdout.decode(), warm.stderr.decode())
        assert "Traceback" not in ran.stderr
        self.asked[arguments[0]].update(actions_of_calls(ran.stderr))
        return ran

    def read(self, *arguments: str) -> dict[str, Any]:
        """Run a command with --json, and return what it prints."""
        found = checked(arguments[0], self.run(*arguments, "--json").stdout)
        assert not found.get("unanswered")
        return found

    def pause_now(self) -> None:
        """Run `pause --now`, and wait until every worker has ended: one may still hold messages."""
        assert self.run("pause", "--now").returncode == 0
        eventually(lambda: not self._agent.live)

    def screen(self, columns: int, *arguments: str) -> list[str]:
        """Run a command on a terminal of so many columns, and return the lines on it."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {**self._environment, "TERM": "xterm-256color"}
        command = [sys.executable, "-m", "tidegate", *arguments]
        with subprocess.Popen(  # noqa: S603 - our own
            command, env=environment, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL
        ):
            os.close(theirs)
            written = b"".join(chunks(ours))
        return ESCAPES.sub(b"", written).decode().split("\r\n")


def chunks(descriptor: int) -> Iterator[bytes]:
    """Yield what is written to a terminal until nobody has it open."""
    with open(descriptor, "rb", buffering=0) as terminal:
        try:
            while chunk := terminal.read(4096):
                yield chunk
        except OSError:
            return
