"""The summary of numbers: they are counted in at most 50 bins.

All summaries share one axis, so no edges have to be agreed on beforehand. A bin is a piece of the
axis whose width is a power of two. Two bins side by side become one of twice the width without a
loss. So the summary of two files' predictions is the one that both files together would have given.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

BINS = 50  # that are not empty
PLACES = 1024  # from the first bin to the last one
LEAST_SCALE, MOST_SCALE = -20, 12  # the whole axis has about 2**11 places
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Numbers:
    """The summary of numbers. Infinity and NaN are in `not_finite` alone."""

    count: int = 0
    """How many numbers; the sum of all bins too, once they are there."""
    not_finite: int = 0
    minimum: float = 0.0
    maximum: float = 0.0
    mean: float = 0.0
    scale: int = LEAST_SCALE
    """Bin i has the places from i * 2**scale to (i + 1) * 2**scale."""
    bins: Mapping[int, int] = field(default_factory=dict)
    """The counts of the bins that are not empty, by i, in order."""
    sample: int = 0
    """How many numbers the bins were counted from: of a large file a part, which stands for all."""

    def merge(self, other: "Numbers") -> "Numbers":
        """Return the summary of both; only the mean depends on the order, in its last digits."""
        not_finite = self.not_finite + other.not_finite
        if not (self.count and other.count):
            return replace(self if self.count else other, not_finite=not_finite)
        count = self.count + other.count
        found = replace(
            self,
            count=count,
            not_finite=not_finite,
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
            mean=self.mean * (self.count / count) + other.mean * (other.count / count),
        )
        return found.with_bins(other.scale, other.bins, other.sample)

    def with_bins(self, scale: int, bins: Mapping[int, int], sample: int) -> "Numbers":
        """Return the same with more numbers in its bins."""
        if not (bins and self.bins):
            return replace(
                self,
                scale=scale if bins else self.scale,
                bins=bins or self.bins,
                sample=self.sample + sample,
            )
        widest = max(self.scale, scale)
        both = _sum(self.at(widest), _wider(bins, widest - scale))
        scale, bins = narrowest(widest, both)
        return replace(self, scale=scale, bins=bins, sample=self.sample + sample)

    def at(self, scale: int) -> Mapping[int, int]:
        """Return the counts in bins that are wider, or as wide."""
        return self.bins if scale == self.scale else _wider(self.bins, scale - self.scale)

    def coarser(self) -> "Numbers":
        """Return the same in bins of twice the width."""
        return replace(self, scale=self.scale + 1, bins=_wider(self.bins, 1))

    def fields(self) -> dict[str, Any]:
        """Return the summary for JSON: a negative number in `bins` is a row of empty ones."""
        found: dict[str, Any] = {"count": self.count}
        if self.not_finite:
            found["not_finite"] = self.not_finite
        if self.sample != self.count:
            found["sample"] = self.sample
        if self.count:
            found |= {"min": _rounded(self.minimum), "max": _rounded(self.maximum)}
            found |= {"mean": _rounded(self.mean), "scale": self.scale, "first": min(self.bins)}
            found["bins"] = " ".join(map(str, _with_gaps(self.bins)))
        return found

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Numbers":
        """Read what `fields` returned; raises ValueError, KeyError or TypeError."""
        count, not_finite = int(fields["count"]), int(fields.get("not_finite", 0))
        if not count:
            return cls(not_finite=not_finite)
        facts = [float(fields[name]) for name in ("min", "max", "mean")]
        scale, numbers = int(fields["scale"]), map(int, str(fields["bins"]).split())
        bins = dict(_without_gaps(int(fields["first"]), numbers))
        is_on_axis = LEAST_SCALE <= scale <= MOST_SCALE and max(map(abs, bins)) <= 2.0 ** (
            MOST_SCALE - scale
        )
        if not is_on_axis or sum(bins.values()) != count or not all(map(math.isfinite, facts)):
            raise ValueError("the summary contradicts itself")
        low, high, mean = facts
        sample = sample_in(fields, count)
        return cls(count, not_finite, low, high, mean, *narrowest(scale, bins), sample)


def narrowest(scale: int, bins: Mapping[int, int]) -> tuple[int, Mapping[int, int]]:
    """Return the smallest scale, from that one on, with few enough bins; and the bins."""
    while len(bins) > BINS or max(bins) - min(bins) >= PLACES:
        scale, bins = scale + 1, _wider(bins, 1)
    return scale, bins


def _wider(bins: Mapping[int, int], doublings: int) -> dict[int, int]:
    """Return the counts in bins whose width was doubled so often."""
    found: dict[int, int] = {}
    for place, count in bins.items():
        found[place >> doublings] = found.get(place >> doublings, 0) + count
    return found


def _sum(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    return {place: one.get(place, 0) + other.get(place, 0) for place in sorted({*one, *other})}


def _with_gaps(bins: Mapping[int, int]) -> Iterator[int]:
    expected = min(bins)
    for place, count in bins.items():
        if place > expected:
            yield expected - place
        yield count
        expected = place + 1


def _without_gaps(place: int, numbers: Iterator[int]) -> Iterator[tuple[int, int]]:
    for number in numbers:
        if number < 0:
            place -= number
        else:
            yield place, number
            place += 1


def sample_in(fields: Mapping[str, Any], count: int) -> int:
    """Read the field `sample`; raises ValueError."""
    sample = int(fields.get("sample", count))
    if not min(count, 1) <= sample <= count:
        raise ValueError("the sample is larger than the whole")
    return sample


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
