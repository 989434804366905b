"""Pages of documentation: their blocks, the commands in these, and what a page shows of each.

A block is between two lines of three backticks. Its commands begin with `$ `, and below each is
what it prints. A comment on the line before a block says what is special about the block:
`<!-- not run: REASON -->`, or `<!-- ends with 3 -->` if one of its commands has that exit status.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.template import ROOT

FENCE = re.compile(
    r"^(?:<!-- (?P<note>[^\n]+) -->\n)? *```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
SAVED_AS = re.compile(r"Save\s+this\s+as\s+`(\S+?)`(?:(?!```).)*\Z", re.DOTALL)
LEFT_OUT = "…"
LONGEST = 110  # characters of a line in a page; the rest is left out
# What differs from one time to another: how long ago, which file and which group failed last, names
# of runs and workers.
DIFFERS = (
    (r"(?:just now|\d+ (?:s|min|h) ago)(?:, first (?:just now|\d+ (?:s|min|h) ago))?", "T ago"),
    (r"/\d{3}\.\w*", "/NUMBER"),
    (r"^((?:next +)?tidegate \w+) \w+-[0-9a-f]{4}\b", r"\1 GROUP"),
    (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "RUN"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b", "VERSION"),
    (r"^worker +task \S+,", "worker task ID,"),
    (r"\bat byte \d+", "at byte N"),
    (r"^took +.*", "took"),
    (r"^\d\d:\d\d:\d\d", "TIME"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page."""

    line: int
    note: str  # the comment before the block
    language: str
    text: str
    saved_as: str | None  # the file that the page says to save the block as

    @property
    def is_session(self) -> bool:
        """Return whether the block has commands with what they print."""
        return self.text.startswith("$ ")

    @property
    def is_run(self) -> bool:
        """Return whether the commands of the session are run."""
        return self.is_session and not self.is_left_out

    @property
    def is_left_out(self) -> bool:
        """Return whether a comment says why the commands are not run."""
        return self.note.startswith("not run: ")

    @property
    def statuses(self) -> set[int]:
        """Return the exit statuses that the commands of the block may have."""
        special = re.fullmatch(r"ends with (\d+)", self.note)
        return {0, int(special[1])} if special else {0}

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Return each command of a session with the lines below it."""
        found = []
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, *printed = part.splitlines()
            found.append((command, printed))
        return found


def pages() -> list[Path]:
    """Return every page with commands for people."""
    patterns = ("*.md", "docs/*.md", "examples/*/README.md", "benchmarks/*.md")
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(found - {ROOT / "CHANGELOG.md"})


def blocks_of(page: str) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    end = 0
    for found in FENCE.finditer(page):
        saved = SAVED_AS.search(page, end, found.start())
        line = page.count("\n", 0, found.start("language")) + 1
        name = saved[1] if saved else None
        yield Block(line, found["note"] or "", found["language"], found["text"], name)
        end = found.end()


def commands_of(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command that is run with the lines below it, also those for what is left out."""
    for block in blocks_of(page):
        if block.is_run:
            yield from block.commands


def check_screen(block: Block, command: str, status: int, printed: str) -> None:
    """Assert that a command of a block has ended as the page shows."""
    expected = dict(block.commands)[command]
    assert status in block.statuses, f"{command}: exit status {status}\n{printed}"
    # What a program has written over, such as its progress, nobody sees at the end.
    whole = printed.rstrip("\n").split("\n") if printed else []
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in whole]
    different = different_lines(expected, lines)
    assert different == [], "\n".join([f"{command}: not alike are", *different, "", printed])


def save_files(page: str, folder: Path) -> None:
    """Save the blocks that the page says to save."""
    for block in blocks_of(page):
        if block.saved_as:
            (folder / block.saved_as).write_text(block.text)


def matches(expected: str, printed: str) -> bool:
    """Return whether a line is the page's, in which a part may be left out."""
    parts = (re.escape(part) for part in expected.split(LEFT_OUT))
    return re.fullmatch(".*".join(parts), printed) is not None


def missing_lines(expected: Sequence[str], printed: Sequence[str]) -> list[str]:
    """Return the lines of a page that were not printed, in any order."""
    left = list(printed)
    missing = []
    for line in expected:
        found = next((one for one in left if matches(line, one)), None)
        if found is None:
            missing.append(line)
        else:
            left.remove(found)
    return missing


def different_lines(expected: Sequence[str], printed: Sequence[str]) -> list[str]:
    """Return the lines of the page that were not printed, or those printed beside the page's."""
    shown, came = ([masked(line.strip()) for line in lines] for lines in (expected, printed))
    if LEFT_OUT in shown:
        return missing_lines([line for line in shown if line != LEFT_OUT], came)
    return missing_lines(shown, came) or came[len(shown) :]


def masked(line: str) -> str:
    """Return a line without what differs from one time to another."""
    for differs, instead in DIFFERS:
        line = re.sub(differs, instead, line)
    return line.rstrip()


def rewritten(page: str, screens: Sequence[Sequence[str]]) -> str:
    """Return the page with what its commands have printed now.

    Where the page leaves lines out, it stays as it is.
    """
    remaining = iter(screens)

    def block(found: re.Match[str]) -> str:
        (only,) = blocks_of(found[0])
        if not only.is_run:
            return found[0]
        lines = []
        for command, shown in only.commands:
            printed = next(remaining)
            kept = shown if LEFT_OUT in shown else [shortened(line) for line in printed]
            lines += [f"$ {command}", *kept]
        note = f"<!-- {only.note} -->\n" if only.note else ""
        return note + "\n".join(["```", *lines, "```"])

    return FENCE.sub(block, page)


def shortened(line: str) -> str:
    """Return the line as a page shows it."""
    line = line.rstrip()
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + LEFT_OUT
