"""Summarizes the predictions of a file, a batch at a time.

The cheapest models predict a row in a third of a microsecond, and a summary must not take more than
a hundredth of that. So of a large batch only a sample is put into bins: one row of each ten, say,
which stands for ten. Rows are kept until there are many, because most of numpy's time goes to each
call.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from worker.distributions import Classes, Distribution, Distributions, Numbers, short_name
from worker.distributions.axis import BEYOND_ONE, LINEAR_EXPONENT, ONE
from worker.distributions.classes import CLASSES
from worker.distributions.numbers import BINS, LEAST_SCALE, PLACES
from worker.distributions.summary import COLUMNS
from worker.quoting import is_masked

Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.int64]

SAMPLE_ROWS = 1_000  # of a batch, and up to twice as many
KEPT_ROWS = 32_768
_HUGE = 1e290

# A float's bits are its exponent and, behind it, how far it is to the next power of two: so its
# highest bits are its place on the axis, in units of the finest bin.
_LINEAR = 2.0**LINEAR_EXPONENT
_LOWEST_BITS = 52 + LEAST_SCALE
_ZERO = (1023 + LINEAR_EXPONENT) << -LEAST_SCALE
_ONE = int(ONE * 2**-LEAST_SCALE)
_BEYOND_ONE = int(BEYOND_ONE * 2**-LEAST_SCALE)
_PLACE_BITS = (1 << 40) - 1  # more than a place has; 0 and -1 differ in all of them


class PredictionSummary:
    """Takes the tables of an output, and summarizes the columns behind the kept ones."""

    def __init__(self, kept: Sequence[str], *, is_wanted: bool) -> None:
        self._kept = len(kept)
        self._is_wanted = is_wanted
        self._columns: dict[int, _Column] | None = None
        self._names: Sequence[str] = ()

    def add(self, table: pa.Table) -> None:
        """Add the predictions of some rows."""
        if not (self._is_wanted and table.num_rows):
            return
        if self._columns is None:
            self._names = table.column_names
            found = ((at, _column_for(table.field(at))) for at in self._predicted())
            known = ((at, column) for at, column in found if column is not None)
            self._columns = dict(islice(known, COLUMNS))  # a model may have thousands of classes
        for at, column in self._columns.items():
            column.add(table.column(at))

    def of(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Pass tables on, and add each of them."""
        for table in tables:
            yield table
            self.add(table)

    def result(self) -> Distributions | None:
        """Return the summary of all rows so far; None if it is not wanted."""
        if not self._is_wanted:
            return None
        found = self._columns or {}
        columns = {short_name(self._names[at]): column.summary() for at, column in found.items()}
        return Distributions(columns, len(self._predicted()) - len(columns))

    def _predicted(self) -> range:
        return range(self._kept, len(self._names))


class _Column(Protocol):
    """Summarizes one column."""

    def add(self, column: pa.ChunkedArray) -> None: ...

    def summary(self) -> Distribution: ...


def _column_for(field: pa.Field) -> _Column | None:
    """Return what summarizes a column; None for lists, times and the like.

    Labels are other people's text, which a masked log does not have: they are not summarized there.
    """
    kind = field.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return _Numbers(are_floats=kind == pa.float64())
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if pa.types.is_boolean(kind) or (is_text and not is_masked()):
        return _Labels()
    return None


@dataclass(slots=True)
class _Kept:
    """Numbers that are not in bins yet, and what is known of all that they stand for."""

    rows: int = 0
    values: dict[int, list[Floats]] = field(default_factory=dict)
    """By how many rows each of them stands for."""
    count: int = 0
    not_finite: int = 0
    low: float = math.inf
    high: float = -math.inf
    means: list[tuple[int, float]] = field(default_factory=list)
    """The count and the mean of each batch."""

    def numbers(self) -> Numbers:
        """Return their summary."""
        if not self.count:
            return Numbers(not_finite=self.not_finite)
        mean = math.fsum(mean * (rows / self.count) for rows, mean in self.means)
        found = Numbers(self.count, self.not_finite, self.low, self.high, mean)
        for weight, kept in self.values.items():
            values = np.concatenate(kept)
            scale, bins = _bins(_keys(values, self.low, self.high))
            weighed = {place: count * weight for place, count in bins.items()}
            found = found.with_bins(scale, weighed, sample=len(values))
        return found


class _Numbers:
    def __init__(self, *, are_floats: bool) -> None:
        self._are_floats = are_floats
        self._kept = _Kept()
        self._found = Numbers()

    def add(self, column: pa.ChunkedArray) -> None:
        values = (column if self._are_floats else column.cast(pa.float64(), safe=False)).to_numpy()
        kept = self._kept
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            finite = values[np.isfinite(values)]
            kept.not_finite += len(values) - len(finite)
            if not len(finite):
                return
            values, low, high = finite, float(finite.min()), float(finite.max())
        count = len(values)
        is_huge = max(-low, high) > _HUGE  # their sum may be none
        mean = float((values / count).sum() if is_huge else values.sum() / count)
        kept.count += count
        kept.low, kept.high = min(low, kept.low), max(high, kept.high)
        kept.means.append((count, mean))
        for weight, rows in _sampled(count).items():
            kept.values.setdefault(weight, []).append(values[rows])
            kept.rows += len(rows)
        if kept.rows > KEPT_ROWS:
            self.summary()

    def summary(self) -> Numbers:
        self._found = self._found.merge(self._kept.numbers())
        self._kept = _Kept()
        return self._found


class _Labels:
    def __init__(self) -> None:
        self._found = Classes({})
        self._kept: dict[int, list[pa.Array]] = {}  # by how many rows each stands for
        self._rows = 0

    def add(self, column: pa.ChunkedArray) -> None:
        for weight, rows in _sampled(len(column)).items():
            labels = column.take(_indices(len(column))[weight]).cast(pa.string())
            self._kept.setdefault(weight, []).extend(labels.chunks)
            self._rows += len(rows)
        if self._rows > KEPT_ROWS:
            self.summary()

    def summary(self) -> Classes:
        for weight, kept in self._kept.items():
            self._found = self._found.merge(_classes(pa.chunked_array(kept), weight))
        self._kept, self._rows = {}, 0
        return self._found


@lru_cache(maxsize=8)  # almost all batches of large files have the same number of rows
def _sampled(rows: int) -> Mapping[int, Keys]:
    """Return the numbers of the rows that are looked at, by how many rows each stands for.

    Rows may come in groups, of seven days or 24 hours: so of each ten rows another one is taken.
    The draw is always the same, because equal files have equal summaries.
    """
    weight = max(1, rows // SAMPLE_ROWS)
    whole = rows - rows % weight
    firsts = np.arange(0, whole, weight)
    draw = np.random.default_rng(rows).integers(0, weight, len(firsts))
    found = {weight: firsts + draw}
    return found if whole == rows else {**found, 1: np.arange(whole, rows)}


@lru_cache(maxsize=8)
def _indices(rows: int) -> Mapping[int, pa.Array]:
    return {weight: pa.array(numbers) for weight, numbers in _sampled(rows).items()}


def _classes(labels: pa.ChunkedArray, weight: int) -> Classes:
    names, counts = pc.value_counts(labels).flatten()
    other = 0
    if len(counts) > CLASSES:  # before the names are cut, which takes time for each
        first = pc.sort_indices(counts, sort_keys=[("", "descending")])[:CLASSES]
        other = len(labels) - pc.sum(counts.take(first)).as_py()
        names, counts = names.take(first), counts.take(first)
    found: dict[str, int] = {}
    for name, count in zip(map(short_name, names.to_pylist()), counts.to_pylist(), strict=True):
        found[name] = found.get(name, 0) + count * weight
    return Classes(found, other * weight, sample=len(labels)).most_frequent(CLASSES)


def _keys(values: Floats, low: float, high: float) -> Keys:
    """Return the finest bin of each number: the inverse of `value_at`."""
    sizes = values if low >= 0 else np.abs(values)
    mirrored = values > 0.5  # noqa: PLR2004 - see value_at
    if high > 1:
        mirrored &= values <= 1
    powers = np.where(mirrored, 1 + _LINEAR - values, sizes + _LINEAR)
    keys = (powers.view(np.int64) >> _LOWEST_BITS) - _ZERO
    if high > 1:
        keys = np.where(values > 1, keys + _BEYOND_ONE, keys)
    keys = np.where(mirrored, _ONE - 1 - keys, keys)
    return keys if low >= 0 else np.where(values < 0, ~keys, keys)


def _bins(keys: Keys) -> tuple[int, dict[int, int]]:
    """Return what `narrowest` returns of the finest bins."""
    first, last = int(keys.min()), int(keys.max())
    shift = max(0, (last - first).bit_length() - PLACES.bit_length() + 1)
    if (last >> shift) - (first >> shift) >= PLACES:
        shift += 1
    first >>= shift
    counts = np.bincount((keys >> shift) - first)
    places = np.flatnonzero(counts)
    counts = counts[places]
    places += first
    if len(places) > BINS:
        # Two bins side by side become one when the highest bit in which they differ is cut off.
        differing = (places[1:] ^ places[:-1]) & _PLACE_BITS
        bits = np.frexp(differing.astype(np.float64))[1]
        more = int(np.partition(bits, -BINS)[-BINS])
        places, starts = np.unique(places >> more, return_index=True)
        counts, shift = np.add.reduceat(counts, starts), shift + more
    return shift + LEAST_SCALE, dict(zip(places.tolist(), counts.tolist(), strict=True))
