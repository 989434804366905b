"""How predictions are distributed: small summaries that are merged exactly, in any order.

Numbers are counted in at most 50 bins. All summaries share one axis, so no edges have to be agreed
on beforehand. The axis is linear near 0; further out, each power of two is as long as the one
before (`place_of`). A bin is a piece of the axis whose width is a power of two. Two bins side by
side become one of twice the width without a loss. So the summary of two files' predictions is the
one that both files together would have given.

Labels are counted by class: the most frequent ones, and the others together.

Imports nothing heavy: workers make summaries with numpy (worker/scoring/summary.py), and the event
loop's process and the command line merge them.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

BINS = 50  # that are not empty
PLACES = 1024  # from the first bin to the last one
LEAST_SCALE, MOST_SCALE = -20, 12  # the whole axis has about 2**11 places
CLASSES = 100  # while a file is predicted; what is written has fewer
# What is written of a job.
MOST_BYTES = 1024
COLUMNS, NAME_BYTES, FEW_BINS, FEW_CLASSES = 8, 40, 6, 4
DIGITS = 9
_MARK = "~"  # stands before the digest of a name that was cut

LINEAR_EXPONENT = -8  # the axis is linear up to this power of two


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
        sample = _sample(fields, count)
        return cls(count, not_finite, low, high, mean, *narrowest(scale, bins), sample)


@dataclass(frozen=True, slots=True)
class Classes:
    """The summary of labels. It is exact while there are no more than 100 classes."""

    counts: Mapping[str, int]
    """The most frequent class first."""
    other: int = 0
    sample: int = 0
    """As that of numbers."""

    @property
    def count(self) -> int:
        """Return the number of labels."""
        return sum(self.counts.values()) + self.other

    def merge(self, other: "Classes") -> "Classes":
        """Return the summary of both."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        found = Classes(counts, self.other + other.other, self.sample + other.sample)
        return found.most_frequent(CLASSES)

    def most_frequent(self, number: int) -> "Classes":
        """Return the same with so many classes at most; of equal ones the first by name stays."""
        order = sorted(self.counts.items(), key=lambda one: (-one[1], one[0]))
        rest = sum(count for _, count in order[number:])
        return Classes(dict(order[:number]), self.other + rest, self.sample)

    def fields(self) -> dict[str, Any]:
        """Return the summary for JSON."""
        found: dict[str, Any] = {"classes": dict(self.counts)}
        if self.other:
            found["other"] = self.other
        return found | ({"sample": self.sample} if self.sample != self.count else {})

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> "Classes":
        """Read what `fields` returned; raises ValueError, AttributeError or TypeError."""
        counts = {str(name): int(count) for name, count in fields["classes"].items()}
        found = cls(counts, int(fields.get("other", 0)))
        sample = _sample(fields, found.count)
        return replace(found, sample=sample).most_frequent(CLASSES)


Distribution = Numbers | Classes


@dataclass(frozen=True, slots=True)
class Distributions:
    """The summary of predictions: of each prediction column, by its name and in their order."""

    columns: Mapping[str, Distribution] = field(default_factory=dict)
    left_out: int = 0
    """How many further columns there are, of which nothing is known."""

    def merge(self, other: "Distributions") -> "Distributions":
        """Return the summary of both; of a column that has changed its kind, the first one's."""
        columns = dict(self.columns)
        for name, new in other.columns.items():
            columns[name] = _merged(columns[name], new) if name in columns else new
        return Distributions(columns, max(self.left_out, other.left_out))

    def fields(self) -> dict[str, Any]:
        """Return the summary for JSON."""
        columns = {name: column.fields() for name, column in self.columns.items()}
        return {"columns": columns} | ({"left_out": self.left_out} if self.left_out else {})

    @classmethod
    def from_fields(cls, fields: object) -> "Distributions | None":
        """Read what `fields` returned; None for anything else."""
        try:
            columns = {
                str(name): (Classes if "classes" in one else Numbers).from_fields(one)
                for name, one in fields["columns"].items()  # type: ignore[index] # TypeError below
            }
            return cls(columns, int(fields.get("left_out", 0)))  # type: ignore[attr-defined]
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            return None

    def within(self, most: int = MOST_BYTES) -> "Distributions":
        """Return the same in so many bytes of JSON: with wider bins, fewer classes, fewer columns.

        The first columns are kept, because a classifier's label is the first one.
        """
        left = list(self.columns.items())[:COLUMNS]
        while True:
            found = Distributions(dict(left), self.left_out + len(self.columns) - len(left))
            sizes = [_size({name: column.fields()}) for name, column in left]
            if sum(sizes) + _size(Distributions(left_out=found.left_out).fields()) <= most:
                return found
            for at in sorted(range(len(left)), key=lambda at: (-sizes[at], at)):
                name, column = left[at]
                if (smaller := _smaller(column)) is not None:
                    left[at] = name, smaller
                    break
            else:
                left.pop()


def short_name(name: str) -> str:
    """Return a name that takes at most 40 bytes in JSON; different names stay different."""
    if _size(name) <= NAME_BYTES + 2:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    cut = name[:NAME_BYTES]
    while _size(cut) > NAME_BYTES + 1 - len(digest):
        cut = cut[:-1]
    return f"{cut}{_MARK}{digest}"


def place_of(number: float, *, is_mirrored: bool = True) -> float:
    """Return the place of a number on the axis.

    To the size of a number a small constant is added. The place of the sum is its logarithm to the
    base 2, on a straight line between powers of two. So the axis is linear near 0. From 1/2 to 1 it
    is mirrored: it is as fine near 1 as near 0, because that is where probabilities crowd.
    """
    if number < 0:
        return -place_of(-number, is_mirrored=False)
    if is_mirrored and number > 1 / 2:
        if number <= 1:
            return ONE - place_of(1 - number)
        return place_of(number, is_mirrored=False) + _BEYOND_ONE
    fraction, exponent = math.frexp(number + 2.0**LINEAR_EXPONENT)
    return exponent - 1 + 2 * fraction - 1 - LINEAR_EXPONENT


def value_at(place: float, *, is_mirrored: bool = True) -> float:
    """Return the number at a place of the axis: the inverse of `place_of`."""
    if place < 0:
        return -value_at(-place, is_mirrored=False)
    if is_mirrored and place > ONE / 2:
        if place <= ONE:
            return 1 - value_at(ONE - place)
        return value_at(place - _BEYOND_ONE, is_mirrored=False)
    whole = math.floor(place)
    try:
        power = math.ldexp(1 + place - whole, LINEAR_EXPONENT + whole)
    except OverflowError:  # the end of the last bin
        return math.inf
    return power - 2.0**LINEAR_EXPONENT


ONE = 2 * place_of(1 / 2, is_mirrored=False)
_BEYOND_ONE = ONE - place_of(1.0, is_mirrored=False)


def narrowest(scale: int, bins: Mapping[int, int]) -> tuple[int, Mapping[int, int]]:
    """Return the smallest scale, from that one on, with few enough bins; and the bins."""
    while len(bins) > BINS or max(bins) - min(bins) >= PLACES:
        scale, bins = scale + 1, _wider(bins, 1)
    return scale, bins


def _merged(one: Distribution, other: Distribution) -> Distribution:
    match one, other:
        case Numbers(), Numbers():
            return one.merge(other)
        case Classes(), Classes():
            return one.merge(other)
    return one


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


def _smaller(column: Distribution) -> Distribution | None:
    """Return a summary of fewer bytes; None if little would be left."""
    match column:
        case Numbers(bins=bins):
            return column.coarser() if len(bins) > FEW_BINS else None
        case Classes(counts=counts):
            fewer = max(FEW_CLASSES, len(counts) * 3 // 4)
            return column.most_frequent(fewer) if fewer < len(counts) else None


def _sample(fields: Mapping[str, Any], count: int) -> int:
    sample = int(fields.get("sample", count))
    if not min(count, 1) <= sample <= count:
        raise ValueError("the sample is larger than the whole")
    return sample


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _size(value: object) -> int:
    """Return the bytes that JSON takes as the log has it."""
    return len(json.dumps(value))
