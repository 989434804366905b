"""The dispatcher with a fault put into it on purpose, which the search must find."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import dispatcher.handler
from tests.waking.schedule import play

SOURCE = Path(dispatcher.handler.__file__)
MOST_SCHEDULES = 300


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fault: text that stands in the dispatcher exactly once is replaced."""

    fault: str
    seed: int
    breaks: str  # what the search says of it contains this
    change: Sequence[Any]  # tables of `old` and `new`

    def __str__(self) -> str:
        return self.fault


def mutations() -> list[Mutation]:
    """Read them."""
    text = Path(__file__).with_suffix(".toml").read_text()
    return [Mutation(**table) for table in tomllib.loads(text)["mutation"]]


def mutated(mutation: Mutation) -> ModuleType:
    """Make a dispatcher with that fault in it."""
    text = SOURCE.read_text()
    for change in mutation.change:
        assert text.count(change["old"]) == 1, f"the dispatcher has changed: {change['old']!r}"
        text = text.replace(change["old"], change["new"])
    module = ModuleType(dispatcher.handler.__name__)  # which dataclasses look up
    exec(compile(text, str(SOURCE), "exec"), module.__dict__)  # noqa: S102 - our own text
    return module


def caught(mutation: Mutation) -> str:
    """Return what the search says of a mutation; empty when no schedule noticed it."""
    handler = mutated(mutation)
    for seed in (mutation.seed, *range(MOST_SCHEDULES)):
        for broken in play(seed, handler, goes_on=True).broken:
            if mutation.breaks in broken:
                return f"seed {seed}: {broken}"
    return ""
