"""What a check found: a verdict, a sentence, the next step, and commands to paste."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a part of the stack is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    UNKNOWN = "unknown"  # AWS could not be asked, which says nothing about the part


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: `found` is a sentence, and each command can be pasted."""

    verdict: Verdict
    found: str
    next_step: str = ""
    commands: tuple[str, ...] = ()


def ok(found: str) -> Finding:
    """Return that a part is as it should be."""
    return Finding(Verdict.OK, found)


def warning(found: str, next_step: str, *commands: str) -> Finding:
    """Return that the stack works, and that somebody should look."""
    return Finding(Verdict.WARNING, found, next_step, commands)


def broken(found: str, next_step: str, *commands: str) -> Finding:
    """Return that files are not predicted, or will not be, until somebody acts."""
    return Finding(Verdict.BROKEN, found, next_step, commands)


def unknown(found: str, next_step: str) -> Finding:
    """Return that a part could not be looked at."""
    return Finding(Verdict.UNKNOWN, found, next_step)


def duration(seconds: float) -> str:
    """Return a duration as people say it: 40 s, 5 min, 3 h, 2 days."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
