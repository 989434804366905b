"""The summary of labels: the most frequent classes are counted, and the others together."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from worker.distributions.numbers import sample_in

CLASSES = 100  # while a file is predicted; what is written has fewer


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
        if min([*counts.values(), found.other]) < 0:
            raise ValueError("a count is negative")
        sample = sample_in(fields, found.count)
        return replace(found, sample=sample).most_frequent(CLASSES)
