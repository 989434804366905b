"""Summarizes the predictions of a file, a batch at a time."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from worker.distributions import (
    BINS,
    CLASSES,
    HALF,
    LEAST_SCALE,
    LINEAR_EXPONENT,
    ONE,
    PLACES,
    Classes,
    Distribution,
    Distributions,
    Numbers,
    narrowest,
    short_name,
)
from worker.quoting import is_masked

Floats = npt.NDArray[np.float64]

_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LINEAR_END = 2.0**LINEAR_EXPONENT
_FRACTION_BITS = 52  # of a float; the bits above them are the exponent
_EXPONENT_BIAS = 1023


class PredictionSummary:
    """Takes the tables of an output, and summarizes the columns behind the kept ones.

    Labels are other people's text, and a masked log has no such text: there they are left out.
    """

    def __init__(self, kept: Sequence[str], *, is_wanted: bool) -> None:
        self._kept = len(kept)
        self._is_wanted = is_wanted
        self._found = Distributions()

    def add(self, table: pa.Table) -> None:
        """Add the predictions of some rows."""
        if not (self._is_wanted and table.num_rows):
            return
        names, columns = table.column_names[self._kept :], table.columns[self._kept :]
        found = {
            short_name(name): summary
            for name, column in zip(names, columns, strict=True)
            if (summary := _summarized(column)) is not None
        }
        self._found = self._found.merge(Distributions(found, len(columns) - len(found)))

    def of(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Pass tables on, and add each of them."""
        for table in tables:
            yield table
            self.add(table)

    def result(self) -> Distributions | None:
        """Return the summary of all rows so far; None if it is not wanted."""
        return self._found if self._is_wanted else None


def _summarized(column: pa.ChunkedArray) -> Distribution | None:
    """Return the summary of a column; None for lists, times and the like."""
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return numbers_of(column.cast(pa.float64(), safe=False).to_numpy())
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = any(check(kind) for check in _TEXT)
    if pa.types.is_boolean(kind) or (is_text and not is_masked()):
        return _classes_of(column.cast(pa.string()))
    return None


def _classes_of(labels: pa.ChunkedArray) -> Classes:
    names, counts = pc.value_counts(labels).flatten()
    if len(counts) > CLASSES:  # before the names are cut, which takes time for each
        first = pc.sort_indices(counts, sort_keys=[("", "descending")])[:CLASSES]
        rest = len(labels) - pc.sum(counts.take(first)).as_py()
        names, counts = names.take(first), counts.take(first)
    else:
        rest = 0
    found: dict[str, int] = {}
    for name, count in zip(names.to_pylist(), counts.to_pylist(), strict=True):
        found[short_name(name)] = found.get(short_name(name), 0) + count
    return Classes(found, rest).most_frequent(CLASSES)


def numbers_of(values: Floats) -> Numbers:
    """Return the summary of numbers, of which there is at least one."""
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = values[np.isfinite(values)]
        found = numbers_of(finite) if len(finite) else Numbers()
        return found.merge(Numbers(not_finite=len(values) - len(finite)))
    mean = float((values / len(values)).sum())  # the sum itself may overflow
    return Numbers(len(values), 0, low, high, mean, *_bins(_places(values, low, high)))


def _bins(places: Floats) -> tuple[int, Mapping[int, int]]:
    """Return the scale and the bins of places, as `narrowest` would of the finest bins."""
    span = (float(places.max()) - float(places.min())) / PLACES
    scale = max(LEAST_SCALE, math.frexp(span)[1] - 1 if span else LEAST_SCALE)
    numbers = np.floor(places * 2.0**-scale).astype(np.int64)
    first = int(numbers.min()) & -2
    counts = np.bincount(numbers - first)
    while np.count_nonzero(counts) > BINS or counts.size > PLACES + 1:
        counts = np.add.reduceat(counts, np.arange(0, counts.size, 2))
        first, scale = first >> 1, scale + 1
        if first & 1:
            first, counts = first - 1, np.concatenate(([0], counts))
    filled = np.flatnonzero(counts)
    bins = dict(zip((filled + first).tolist(), counts[filled].tolist(), strict=True))
    return narrowest(scale, bins)


def _places(values: Floats, low: float, high: float) -> Floats:
    """Return where numbers stand on the axis: the inverse of `value_at`."""
    sizes = values if low >= 0 else np.abs(values)
    mirrored = (values > 0.5) & (values <= 1)  # noqa: PLR2004 - see value_at
    found = _powers(np.where(mirrored, 1 - sizes, sizes))
    if high > 1:
        found = np.where(values > 1, found + (ONE - HALF - 1), found)
    found = np.where(mirrored, ONE - found, found)
    return found if low >= 0 else np.where(values < 0, -found, found)


def _powers(sizes: Floats) -> Floats:
    """Return the places of numbers that are not negative, where nothing is mirrored.

    The bits of a float are its exponent and, behind it, how far it is to the next power of two.
    """
    shift = LINEAR_EXPONENT - 1 + _EXPONENT_BIAS
    with np.errstate(over="ignore"):  # of large numbers, for which it is not taken
        linear = sizes * 2.0**-LINEAR_EXPONENT
    return np.where(
        sizes < _LINEAR_END, linear, sizes.view(np.int64) * 2.0**-_FRACTION_BITS - shift
    )
