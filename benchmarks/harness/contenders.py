"""The contenders: the programs that are measured, the worker and the opponents."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OPPONENTS = "benchmarks.opponents"
TIDEGATE = "tidegate"


def unchanged(body: str) -> str:
    """Return a job's body as the message body, which is the worker's own format."""
    return body


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that processes all messages of the queue in its environment, and exits."""

    name: str
    module: str
    copies: int = 1
    share: float = 1.0
    """The share of the files to measure on: a slow contender gets fewer."""
    wrap: Callable[[str], str] = unchanged
    """Turns a job's body into the message body that the contender reads."""


def worker(copies: int = 1) -> Contender:
    """Return this project's worker, in so many processes."""
    return Contender(_named(TIDEGATE, copies), "worker", copies)


def opponents() -> list[Contender]:
    """Return a contender for each opponent module; one may define COPIES, SHARE and `wrap`."""
    folder = Path(__file__).parents[1] / "opponents"
    found = []
    for name in sorted(module.name for module in pkgutil.iter_modules([str(folder)])):
        module = importlib.import_module(f"{OPPONENTS}.{name}")
        found += [
            Contender(
                _named(name, copies),
                f"{OPPONENTS}.{name}",
                copies,
                getattr(module, "SHARE", 1.0),
                getattr(module, "wrap", unchanged),
            )
            for copies in getattr(module, "COPIES", (1,))
        ]
    return found


def opponent(name: str) -> Contender:
    """Return the opponent of that name."""
    return next(found for found in opponents() if found.name == name)


def _named(name: str, copies: int) -> str:
    return name if copies == 1 else f"{name} x{copies}"
