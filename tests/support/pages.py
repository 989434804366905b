"""Pages of documentation whose commands are run: what they show, and what was printed."""

import re
from collections.abc import Iterator, Sequence

BLOCK = re.compile(r"^```\n(\$ .*?)^```$", re.MULTILINE | re.DOTALL)
LEFT_OUT = "…"
LONGEST = 110  # characters of a line in a page; the rest is left out


def commands_of(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a page with the lines below it, also those for what is left out."""
    for block in BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *printed = part.splitlines()
            yield command, printed


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


def rewritten(page: str, screens: Sequence[Sequence[str]]) -> str:
    """Return the page with what its commands have printed now.

    Where the page leaves lines out, it stays as it is.
    """
    remaining = iter(screens)

    def block(found: re.Match[str]) -> str:
        lines = []
        for command, shown in commands_of(found[0]):
            printed = next(remaining)
            kept = shown if LEFT_OUT in shown else [shortened(line) for line in printed]
            lines += [f"$ {command}", *kept]
        return "\n".join(["```", *lines, "```"])

    return BLOCK.sub(block, page)


def shortened(line: str) -> str:
    """Return the line as a page shows it."""
    line = line.rstrip()
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + LEFT_OUT
