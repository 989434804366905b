"""Summaries of predictions: at most 1 KB each, and merged exactly, in any order.

Numbers are counted in at most 50 bins of equal width. The width is a power of two, and bin i covers
[i * 2**scale, (i + 1) * 2**scale). Two bins side by side become one of twice the width without a
loss, so no edges have to be agreed on beforehand: the summary of two files' predictions is the one
that both files together would have given. The scale is the smallest whose bins cover all values,
and at least 2**-20 of the largest value.

Labels are counted by class: the 20 most frequent, and the others together.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BINS = 50
COMPARED_BINS = 16  # of the population stability index: with 50, chance alone makes it large
RELATIVE_WIDTH = 20  # bits
LEAST_SCALE = -1000
CLASSES, CLASS_CHARACTERS = 20, 24
LEAST_SHARE = 1e-4  # in place of an empty bin's, whose logarithm would be infinite
SHIFTED, SHIFTED_FAR = 0.1, 0.25  # the usual bounds of the index


@dataclass(frozen=True, slots=True)
class Numbers:
    """The summary of numbers; a missing value, infinity and NaN are in `missing` alone."""

    count: int
    missing: int
    minimum: float
    maximum: float
    mean: float
    scale: int
    first: int
    """The first bin's i."""
    bins: tuple[int, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Numbers":
        """Summarize values."""
        given = list(values)
        found = [float(one) for one in given if one is not None and math.isfinite(one)]
        missing = len(given) - len(found)
        if not found:
            return cls(0, missing, 0.0, 0.0, 0.0, LEAST_SCALE, 0, ())
        low, high = min(found), max(found)
        scale = _scale(low, high, LEAST_SCALE)
        counted = Counter(_place(one, scale) for one in found)
        first = min(counted)
        bins = tuple(counted[place] for place in range(first, max(counted) + 1))
        mean = math.fsum(one / len(found) for one in found)  # the sum itself may overflow
        return cls(len(found), missing, low, high, mean, scale, first, bins)

    @property
    def width(self) -> float:
        """Return the width of a bin."""
        return math.ldexp(1.0, self.scale)

    def merge(self, other: "Numbers") -> "Numbers":
        """Return the summary of both."""
        missing = self.missing + other.missing
        if not (self.count and other.count):
            one = self if self.count else other
            return Numbers(
                one.count,
                missing,
                one.minimum,
                one.maximum,
                one.mean,
                one.scale,
                one.first,
                one.bins,
            )
        low, high = min(self.minimum, other.minimum), max(self.maximum, other.maximum)
        scale = _scale(low, high, max(self.scale, other.scale))
        counted = self.at(scale) + other.at(scale)
        first, count = min(counted), self.count + other.count
        return Numbers(
            count,
            missing,
            low,
            high,
            self.mean * (self.count / count) + other.mean * (other.count / count),
            scale,
            first,
            tuple(counted[place] for place in range(first, max(counted) + 1)),
        )

    def at(self, scale: int) -> Counter[int]:
        """Return the counts in wider bins, by their i."""
        counted: Counter[int] = Counter()
        for place, number in enumerate(self.bins, start=self.first):
            if number:
                counted[place >> (scale - self.scale)] += number
        return counted


@dataclass(frozen=True, slots=True)
class Classes:
    """The summary of labels. It is exact while there are no more than 20 classes."""

    counts: Mapping[str, int]
    other: int

    @classmethod
    def of(cls, labels: Iterable[object]) -> "Classes":
        """Summarize labels."""
        return cls._kept(Counter(_name(label) for label in labels), 0)

    @property
    def count(self) -> int:
        """Return the number of labels."""
        return sum(self.counts.values()) + self.other

    def merge(self, other: "Classes") -> "Classes":
        """Return the summary of both."""
        both = Counter(self.counts) + Counter(other.counts)
        return self._kept(both, self.other + other.other)

    @classmethod
    def _kept(cls, counted: Counter[str], other: int) -> "Classes":
        order = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
        return cls(dict(order[:CLASSES]), other + sum(number for _, number in order[CLASSES:]))


@dataclass(frozen=True, slots=True)
class Comparison:
    """A prediction's distribution in a run, beside the one that the model was checked with."""

    name: str
    found: Numbers | Classes
    baseline: Numbers | Classes | None = None

    @property
    def stability_index(self) -> float | None:
        """Return the population stability index; None without a baseline of the same kind."""
        match self.found, self.baseline:
            case Numbers() as found, Numbers() as baseline:
                return _index(*_in_same_bins(found, baseline))
            case Classes() as found, Classes() as baseline:
                return _index(*_in_same_classes(found, baseline))
        return None

    @property
    def verdict(self) -> str:
        """Return what the index means."""
        index = self.stability_index
        if index is None:
            return ""
        if index < SHIFTED:
            return "as in the baseline"
        return "somewhat shifted" if index < SHIFTED_FAR else "shifted far"


def _scale(low: float, high: float, least: int) -> int:
    """Return the smallest scale from `least` on whose bins cover the values."""
    largest = max(abs(low), abs(high))
    scale = max(least, math.frexp(largest)[1] - RELATIVE_WIDTH if largest else least)
    while _place(high, scale) - _place(low, scale) >= BINS:
        scale += 1
    return scale


def _place(value: float, scale: int) -> int:
    """Return the i of a value's bin; the division by a power of two is exact."""
    mantissa, exponent = math.frexp(value)
    whole = int(math.ldexp(mantissa, 53))  # exact: a float has 53 bits
    shift = scale - (exponent - 53)
    return whole >> shift if shift >= 0 else whole << -shift


def _name(label: object) -> str:
    text = str(label)
    return text if len(text) <= CLASS_CHARACTERS else text[: CLASS_CHARACTERS - 1] + "…"


def _in_same_bins(one: Numbers, other: Numbers) -> tuple[Sequence[int], Sequence[int]]:
    if not (one.count and other.count):
        return [], []
    scale = max(one.scale, other.scale)
    low, high = min(one.minimum, other.minimum), max(one.maximum, other.maximum)
    while _place(high, scale) - _place(low, scale) >= COMPARED_BINS:
        scale += 1
    ours, theirs = one.at(scale), other.at(scale)
    places = range(_place(low, scale), _place(high, scale) + 1)
    return [ours[place] for place in places], [theirs[place] for place in places]


def _in_same_classes(one: Classes, other: Classes) -> tuple[Sequence[int], Sequence[int]]:
    names = sorted({*one.counts, *other.counts})
    ours = [*(one.counts.get(name, 0) for name in names), one.other]
    theirs = [*(other.counts.get(name, 0) for name in names), other.other]
    return ours, theirs


def _index(ours: Sequence[int], theirs: Sequence[int]) -> float | None:
    if not (sum(ours) and sum(theirs)):
        return None
    index = 0.0
    for our, their in zip(ours, theirs, strict=True):
        if our or their:
            share = max(our / sum(ours), LEAST_SHARE)
            expected = max(their / sum(theirs), LEAST_SHARE)
            index += (share - expected) * math.log(share / expected)
    return index
