"""A page is typed from its beginning to its end, by its text alone."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.pages import (
    LEFT_OUT,
    Block,
    blocks_of,
    check_screen,
    missing_lines,
    save_files,
)
from tests.support.shell_commands import is_script
from tests.walk.shell import Shell

GOES_ON = re.compile(r"\btidegate cloud\b")  # until Ctrl-C
FOR_EACH_TERMINAL = re.compile(r"(?:(?:export|alias) .*\n)+")
TO_PASTE = re.compile(r"(?:export |aws\(\) ).*")
UP = "Ctrl-C stops the local cloud"
CHARACTERS = 90  # of a command


class Walk:
    """Types commands into the newest of several terminals, and says how long each took."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._say = say
        self._environment = environment
        self._set_up = list[str]()
        self._terminals = [Shell(folder, environment)]
        self.steps = 0

    def type_page(self, page: str) -> None:
        """Save the files of a page and type its commands; raises AssertionError if one fails."""
        save_files(page, self._folder)
        for block in blocks_of(page):
            if block.is_left_out or block.language not in {"", "sh"}:
                continue
            if block.is_session:
                for command, shown in block.commands:
                    self._type(block, command, shown)
            elif is_script(block.text):
                self._type(block, block.text.rstrip("\n"), None)

    def close(self) -> None:
        """Close the terminals, the newest first: the local cloud is in the first one."""
        for terminal in reversed(self._terminals):
            terminal.close()

    def _type(self, block: Block, command: str, shown: list[str] | None) -> None:
        if FOR_EACH_TERMINAL.fullmatch(f"{command}\n"):
            self._set_up.append(command)
        with self._timed(command):
            if GOES_ON.search(command):
                self._start(command, shown or [])
                return
            typed = self._terminals[-1].run(command)
            if shown is None:
                assert typed.status == 0, f"{command}\n{typed.printed}"
            else:
                check_screen(block, command, typed.status, typed.printed)

    def _start(self, command: str, shown: list[str]) -> None:
        """Type a command that goes on, and use what it prints in another terminal."""
        wanted = [line.strip() for line in shown if line != LEFT_OUT]
        terminal = self._terminals[-1]
        terminal.start(command)
        printed = terminal.read_until(
            lambda lines: (
                any(UP in line for line in lines)
                and not missing_lines(wanted, [line.strip() for line in lines])
            )
        )
        self._terminals.append(Shell(self._folder, self._environment))
        for line in (*self._set_up, *filter(TO_PASTE.fullmatch, printed)):
            self._terminals[-1].run(line)

    @contextmanager
    def _timed(self, command: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        first, *more = command.splitlines()
        self._say(f"{time.monotonic() - began:7.1f} s  {first[:CHARACTERS]}{' …' if more else ''}")
        self.steps += 1
