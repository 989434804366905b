"""Hypothesis strategies that several tests share, and how many examples a test runs."""

from collections.abc import Sequence
from itertools import cycle
from typing import TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st

T = TypeVar("T")


def examples(share: float) -> settings:
    """Run this share of the profile's examples: in `make test` a share of 1 is 50 examples."""
    return settings(max_examples=max(1, round(share * settings().max_examples)))


def slow_examples(share: float) -> settings:
    """Run this share of the profile's examples, and report the first that fails as it was drawn.

    Where an example takes seconds, Hypothesis would search minutes for a smaller one.
    """
    return settings(
        examples(share), phases=[Phase.explicit, Phase.generate], report_multiple_bugs=False
    )


def evenly_long(
    elements: st.SearchStrategy[T], shortest: int, longest: int
) -> st.SearchStrategy[list[T]]:
    """Lists of which each length is drawn as often: plain `lists` are short nearly always."""
    return st.integers(shortest, longest).flatmap(
        lambda length: st.lists(elements, min_size=length, max_size=length)
    )


def sizes(smallest: int, largest: int) -> st.SearchStrategy[list[int]]:
    """Sizes of pieces, to be used in turn. Some size is above 0."""
    some = st.lists(st.integers(smallest, largest), min_size=1)
    return some if smallest else some.filter(any)


def cut(body: bytes, pieces: Sequence[int]) -> list[bytes]:
    """Cut a body into pieces of these sizes, in turn, until it is used up."""
    place, found, turn = 0, [], cycle(pieces)
    while place < len(body):
        size = next(turn)
        found.append(body[place : place + size])
        place += size
    return found
