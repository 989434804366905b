"""A headless Chromium, driven by its DevTools protocol over two pipes; no library is needed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
# The browser reads commands from its file descriptor 3, and writes answers to 4.
LAUNCHER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass(slots=True)
class Tab:
    """One page in the browser, and the events that it has sent."""

    commands: BinaryIO
    answers: BinaryIO
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    _last: int = 0

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Call a method, and return its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        self.commands.flush()
        while (answer := self._read()).get("id") != self._last:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def wait_for(self, event: str) -> None:
        """Wait until the page has sent an event."""
        while not self.of(event):
            self.events.append(self._read())

    def of(self, *events: str) -> list[dict[str, Any]]:
        """Return the events of some names."""
        return [one["params"] for one in self.events if one.get("method") in events]

    def value(self, expression: str) -> Any:  # noqa: ANN401 - what the page says
        """Return the value of an expression of JavaScript, or what its promise becomes."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return found["result"]["value"]

    def _read(self) -> dict[str, Any]:
        found = bytearray()
        while (one := self.answers.read(1)) != b"\0":
            assert one, "the browser has ended"
            found += one
        message: dict[str, Any] = json.loads(found)
        return message


@contextmanager
def open_tab(profile: Path) -> Iterator[Tab]:
    """Start a browser with a profile of its own, and an empty page in it."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "no Chromium: install one, or say where it is: make report-test CHROMIUM=..."
    to_read, commands = os.pipe()
    answers, to_write = os.pipe()
    launcher = [sys.executable, "-c", LAUNCHER, str(to_read), str(to_write), program]
    process = subprocess.Popen(  # noqa: S603 - a browser
        [*launcher, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(to_read, to_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(to_write)
    with os.fdopen(commands, "wb") as writing, os.fdopen(answers, "rb") as reading:
        tab = Tab(writing, reading)
        try:
            target = tab.call("Target.createTarget", url="about:blank")["targetId"]
            found = tab.call("Target.attachToTarget", targetId=target, flatten=True)
            tab.session = found["sessionId"]
            yield tab
        finally:
            tab.session = ""
            tab.call("Browser.close")
            process.wait()
