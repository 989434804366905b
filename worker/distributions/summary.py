"""The summary of predictions: of each prediction column, in at most 1 KB of JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.distributions.classes import Classes
from worker.distributions.numbers import Numbers

MOST_BYTES = 1024
COLUMNS = 8  # the first ones of a model with more
NAME_BYTES, FEW_BINS, FEW_CLASSES = 40, 6, 4
MARK = "~"  # stands before the digest of a name that was cut

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
        left = list(self.columns.items())
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
    return f"{cut}{MARK}{digest}"


def _merged(one: Distribution, other: Distribution) -> Distribution:
    match one, other:
        case Numbers(), Numbers():
            return one.merge(other)
        case Classes(), Classes():
            return one.merge(other)
    return one


def _smaller(column: Distribution) -> Distribution | None:
    """Return a summary of fewer bytes; None if little would be left."""
    match column:
        case Numbers(bins=bins):
            return column.coarser() if len(bins) > FEW_BINS else None
        case Classes(counts=counts):
            fewer = max(FEW_CLASSES, len(counts) * 3 // 4)
            return column.most_frequent(fewer) if fewer < len(counts) else None


def _size(value: object) -> int:
    """Return the bytes that JSON takes as the log has it."""
    return len(json.dumps(value))
