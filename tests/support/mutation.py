"""Mutations: faults put into the code on purpose, by replacing a function that is named here.

The function is given by reference, so that a rename follows and mypy compares both signatures.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")


class Patch:
    """Replaces functions and methods until it is undone."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def replace(self, original: Callable[P, R], replacement: Callable[P, R]) -> None:
        """Replace a method in its class, or a function in each module that has it."""
        *classes, name = original.__qualname__.split(".")
        if not classes:
            self._replace_everywhere(original, replacement)
            return
        owner: object = sys.modules[original.__module__]
        for part in classes:
            owner = getattr(owner, part)
        assert getattr(owner, name) is original
        self._patch.setattr(owner, name, replacement)

    def _replace_everywhere(self, original: object, replacement: object) -> None:
        package = str(getattr(original, "__module__", "")).partition(".")[0]
        found = [
            (module, name)
            for module_name, module in sys.modules.items()
            if module_name.partition(".")[0] == package
            for name, value in vars(module).items()
            if value is original
        ]
        assert found
        for module, name in found:
            self._patch.setattr(module, name, replacement)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One fault; `seed` is where the search found it last, and where the search looks first."""

    fault: str
    seed: int
    breaks: str  # a broken promise that this fault causes contains this text
    apply: Callable[[Patch], None]

    def __str__(self) -> str:
        return self.fault


@contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    """Have this fault in the code for the length of the block."""
    with pytest.MonkeyPatch.context() as patch:
        mutation.apply(Patch(patch))
        yield


@dataclass
class Mutations:
    """The mutations of one search, in the order of their definition."""

    all: list[Mutation] = field(default_factory=list)

    def add(
        self, fault: str, *, seed: int, breaks: str = ""
    ) -> Callable[[Callable[[Patch], None]], None]:
        """Define a mutation: the decorated function replaces what makes the fault."""

        def define(apply: Callable[[Patch], None]) -> None:
            self.all.append(Mutation(fault, seed, breaks, apply))

        return define

    def named(self, fault: str) -> Mutation:
        """Return the mutation of that fault."""
        return next(mutation for mutation in self.all if mutation.fault == fault)
