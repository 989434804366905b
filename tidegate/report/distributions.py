"""Compares how predictions are distributed with the baseline of their model."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from worker.distributions import Classes, Distribution, Distributions, Numbers

Key = TypeVar("Key", int, str)

COMPARED_BINS = 16  # with many bins, chance alone makes the index large
SHIFTED, SHIFTED_FAR = 0.1, 0.25  # the usual bounds of the index
UNSEEN = 0.5  # added to each count: the logarithm of an empty bin would be infinite
CHANCE_DEVIATIONS = 1.645  # of the normal distribution: 95 % are below


@dataclass(frozen=True, slots=True)
class Row:
    """One class; or all others together, whose name is None."""

    name: str | None
    count: int
    share: float
    before: float
    """The share in the baseline."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a prediction column is distributed in a run, and how in the baseline of its model."""

    name: str
    found: Distribution
    baseline: Distribution | None = None
    model: str = ""
    """The beginning of the model's digest, if several models were at work in the run."""

    @property
    def stability_index(self) -> float | None:
        """Return the population stability index; None without a baseline of the same kind."""
        counts = self._counts()
        if counts is None or self.baseline is None:
            return None
        ours, theirs = (
            _shares(of_one, one.sample)
            for of_one, one in zip(counts, (self.found, self.baseline), strict=True)
        )
        return sum(
            (our - their) * math.log(our / their) for our, their in zip(ours, theirs, strict=True)
        )

    @property
    def by_chance(self) -> float | None:
        """Return below which bound the index of one and the same distribution is in 95 % of cases.

        Divided by the sum of the inverse counts, the index is about a chi-squared variable.
        """
        counts = self._counts()
        if counts is None or self.baseline is None:
            return None
        freedom = len(counts[0]) - 1
        inverses = 1 / self.found.sample + 1 / self.baseline.sample
        return _chi_squared(freedom) * inverses if freedom else 0.0

    @property
    def is_shifted_far(self) -> bool:
        """Whether the index is as large as that of another distribution, and not by chance."""
        index, chance = self.stability_index, self.by_chance
        return index is not None and chance is not None and index >= max(SHIFTED_FAR, chance)

    @property
    def verdict(self) -> str:
        """Return what the index means."""
        index, chance = self.stability_index, self.by_chance
        if index is None or chance is None:
            return ""
        if index < chance and chance >= SHIFTED:
            return "says little, because there are few predictions"
        if index < max(SHIFTED, chance):
            return "as in the baseline"
        return "somewhat shifted" if index < SHIFTED_FAR else "shifted far"

    @property
    def before(self) -> Distribution | None:
        """Return the baseline, if it can be compared."""
        is_same = self.baseline is not None and type(self.baseline) is type(self.found)
        return self.baseline if is_same and self.baseline and self.baseline.count else None

    def rows(self, most: int) -> list[Row]:
        """Return the classes of run and baseline, the most frequent ones first; and the others."""
        ours = self.found if isinstance(self.found, Classes) else Classes({})
        theirs = self.before if isinstance(self.before, Classes) else Classes({})
        names = sorted(
            ours.counts.keys() | theirs.counts.keys(),
            key=lambda name: (-ours.counts.get(name, 0), -theirs.counts.get(name, 0), name),
        )[:most]
        counts = _in_order(names, ours.counts, theirs.counts)
        rest = ours.count - sum(counts[0]), theirs.count - sum(counts[1])
        rows = [*zip(names, *counts, strict=True), *([(None, *rest)] if any(rest) else [])]
        return [
            Row(name, our, our / max(1, ours.count), their / max(1, theirs.count))
            for name, our, their in rows
        ]

    def _counts(self) -> tuple[Sequence[int], Sequence[int]] | None:
        """Return the counts of run and baseline in the same groups; None without both."""
        if not self.found.count:
            return None
        match self.found, self.before:
            case Numbers() as found, Numbers() as baseline:
                return _in_same_bins(found, baseline)
            case Classes() as found, Classes() as baseline:
                return _in_same_classes(found, baseline)
        return None


def compare(
    summaries: Mapping[str, Distributions], baseline_of: Callable[[str], Distributions | None]
) -> list[Comparison]:
    """Compare the predictions of each model, by its digest, with the model's own baseline."""
    found = []
    for digest, summary in summaries.items():
        baseline = baseline_of(digest)
        known = baseline.columns if baseline else {}
        model = digest[:12] if len(summaries) > 1 else ""
        found += [
            Comparison(name, column, known.get(name), model)
            for name, column in summary.columns.items()
        ]
    return found


def _in_same_bins(one: Numbers, other: Numbers) -> tuple[Sequence[int], Sequence[int]]:
    both = one.merge(other)
    while len(both.bins) > COMPARED_BINS:
        both = both.coarser()
    return _in_order(both.bins, one.at(both.scale), other.at(both.scale))


def _in_same_classes(one: Classes, other: Classes) -> tuple[Sequence[int], Sequence[int]]:
    """Return the counts by class; a class that only one of them counts is among the others'.

    It may be one of the other's rare ones, whose counts are not known.
    """
    names = one.counts.keys() | other.counts.keys()
    if other.other:
        names &= other.counts.keys()
    if one.other:
        names &= one.counts.keys()
    ours, theirs = _in_order(sorted(names), one.counts, other.counts)
    our_rest, their_rest = one.count - sum(ours), other.count - sum(theirs)
    if our_rest or their_rest:
        return [*ours, our_rest], [*theirs, their_rest]
    return ours, theirs


def _in_order(
    keys: Iterable[Key], one: Mapping[Key, int], other: Mapping[Key, int]
) -> tuple[list[int], list[int]]:
    found = [(one.get(key, 0), other.get(key, 0)) for key in keys]
    return [ours for ours, _ in found], [theirs for _, theirs in found]


def _shares(counts: Sequence[int], sample: int) -> list[float]:
    """Return the share of each group, of which a sample was counted."""
    unseen = UNSEEN * sum(counts) / sample
    whole = sum(counts) + unseen * len(counts)
    return [(count + unseen) / whole for count in counts]


def _chi_squared(freedom: int) -> float:
    """Return the bound below which 95 % are, by the approximation of Wilson and Hilferty."""
    spread = 2 / (9 * freedom)
    return freedom * float((1 - spread + CHANCE_DEVIATIONS * math.sqrt(spread)) ** 3)
