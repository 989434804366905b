"""Who is measured: the worker, and whatever stands in the folder of opponents."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OPPONENTS = "benchmarks.opponents"
TIDEGATE = "tidegate"


def as_it_is(body: str) -> str:
    """Send a job as the worker takes it."""
    return body


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that drains the queue its environment names, and leaves."""

    name: str
    module: str
    copies: int = 1
    share: float = 1.0
    """Of the files: what is slow enough is measured on fewer."""
    wrap: Callable[[str], str] = as_it_is
    """Makes a message's body of a job's."""


def worker(copies: int = 1) -> Contender:
    """Measure this project's own worker."""
    return Contender(_named(TIDEGATE, copies), "worker", copies)


def opponents() -> list[Contender]:
    """Find everything in the folder; a module may say COPIES, SHARE and `wrap`."""
    folder = Path(__file__).parent / "opponents"
    found = []
    for name in sorted(module.name for module in pkgutil.iter_modules([str(folder)])):
        module = importlib.import_module(f"{OPPONENTS}.{name}")
        found += [
            Contender(
                _named(name, copies),
                f"{OPPONENTS}.{name}",
                copies,
                getattr(module, "SHARE", 1.0),
                getattr(module, "wrap", as_it_is),
            )
            for copies in getattr(module, "COPIES", (1,))
        ]
    return found


def opponent(name: str) -> Contender:
    """Find one by its name."""
    return next(found for found in opponents() if found.name == name)


def _named(name: str, copies: int) -> str:
    return name if copies == 1 else f"{name} x{copies}"
