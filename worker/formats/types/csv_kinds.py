"""The type that pandas.read_csv chooses for a column, by the kinds of its cells in the whole file.

pandas tries 64-bit integers first, then floats, booleans and text. A missing cell turns integers to
floats. Integers beyond 64 bits have rules of their own: which of two scans ended where.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.formats.types.objects import Values, to_objects
from worker.formats.types.text_cells import (
    BLANKS,
    FALSE,
    MAX_INT64,
    MAX_UINT64,
    MIN_INT64,
    TRUE,
    cast,
    nulls_for_missing,
    to_booleans,
    to_floats,
    to_integers,
)

CsvType = Literal[
    "int64",
    "uint64",
    "float64",
    "integers with gaps",
    "booleans",
    "booleans with gaps",
    "text",
    "python integers",
    "verbatim",
]
ScanEnd = Literal["", "overflow", "other"]
"""What ended pandas' attempt at a type: nothing, an integer too large for it, another cell."""

_NUMBER = r"(?i)^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf|infinity)$"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_MOST_DIGITS = 4300  # Python, and so pandas, makes no integer of more


@dataclass(slots=True)
class CsvKinds:
    """The kinds of cells in a column so far, as far as pandas' choice depends on them."""

    missing: bool = False
    words: bool = False
    booleans: bool = False
    numbers: bool = False
    fractions: bool = False  # any cell that is not written as an integer
    negative: bool = False
    unsigned: bool = False  # integers too large for int64, and not for uint64
    int64_scan: ScanEnd = ""
    uint64_scan: ScanEnd = ""
    latest: "_Parsed | None" = None  # the latest batch, so that nothing is parsed twice

    @classmethod
    def load(cls, state: dict[str, Any]) -> Self:
        """Return the kinds that `dump` returned."""
        return cls(**state)

    def dump(self) -> dict[str, Any]:
        """Return the kinds as a JSON value."""
        return asdict(replace(self, latest=None))

    @property
    def type(self) -> CsvType:
        """The type that pandas chooses for a column of these kinds."""
        if self.int64_scan == "overflow" and self.uint64_scan != "other":
            return self._type_beyond_int64()
        if self.words or (self.booleans and self.numbers):
            return "text"
        if self.booleans:
            return "booleans with gaps" if self.missing else "booleans"
        if self.fractions or not self.numbers:
            return "float64"
        return "integers with gaps" if self.missing else "int64"

    def _type_beyond_int64(self) -> CsvType:
        if self.uint64_scan == "overflow" or not self.unsigned:
            return "verbatim" if self.fractions else "python integers"
        return "verbatim" if self.negative or self.missing else "uint64"

    def add(self, column: pa.ChunkedArray) -> None:
        """Take note of the cells of one more batch."""
        self.latest = None
        if self.words and self.int64_scan == "other":
            return
        present, floats = column, _cast_to_floats(column)
        if floats is None:
            present = nulls_for_missing(column)
            floats = _cast_to_floats(present)
        self.missing |= present.null_count > 0
        are_numbers = floats is not None
        if floats is None:
            floats = self._classify(present)
        self.numbers |= floats.null_count < len(floats)
        integers = None
        # After another cell than an integer, floats come next, and they take every number.
        if present.null_count < len(present) and self.int64_scan != "other":
            integers = self._add_integers(present, floats)
        if are_numbers:
            self.latest = _Parsed(floats, integers)

    def _classify(self, present: pa.ChunkedArray) -> pa.ChunkedArray:
        """Note booleans and words; return the numbers, and nulls for other cells."""
        boolean = pc.or_(pc.is_in(present, value_set=TRUE), pc.is_in(present, value_set=FALSE))
        trimmed = pc.ascii_trim_whitespace(present)
        number = pc.fill_null(pc.match_substring_regex(trimmed, _NUMBER), fill_value=False)
        known = pc.or_(pc.or_(boolean, number), pc.is_null(present))
        self.words |= not pc.all(known).as_py()
        self.booleans |= pc.any(boolean).as_py()
        return pc.cast(pc.if_else(number, trimmed, pa.scalar(None, pa.string())), pa.float64())

    def _add_integers(
        self, cells: pa.ChunkedArray, floats: pa.ChunkedArray
    ) -> pa.ChunkedArray | None:
        """Follow pandas' scans; return the cells as int64 if all of them are."""
        if not (self.int64_scan or cells.null_count or _is_integer(first := cells[0].as_py())):
            self._scan([first])  # a column of floats: its other cells make no difference
            return None
        extremes = pc.min_max(floats).as_py()
        is_within = (extremes["min"] or 0) > -(2.0**63) and (extremes["max"] or 0) < 2.0**63
        has_others = floats.null_count > cells.null_count
        integers = cast(cells, pa.int64()) if is_within and not has_others else None
        if integers is None:
            self._scan(pc.drop_null(cells).to_pylist())
        elif not self.negative and extremes["min"] <= 0:
            # The text and not the value: pandas takes -0 for a negative number.
            self.negative = bool(pc.any(pc.starts_with(cells, "-")).as_py())
        return integers

    def _scan(self, cells: Iterable[str]) -> None:
        """Follow pandas' scans for int64 and for uint64, cell by cell."""
        for padded in cells:
            if self.int64_scan == "other":
                return
            cell = padded.strip(BLANKS)
            value = int(cell[:_MOST_DIGITS]) if _is_integer(cell) else None
            self.fractions |= value is None or len(cell.lstrip("+-")) > _MOST_DIGITS
            fits_int64 = value is not None and MIN_INT64 <= value <= MAX_INT64
            if not self.int64_scan and not fits_int64:
                self.int64_scan = "other" if value is None else "overflow"
            if self.int64_scan == "other" or self.uint64_scan:
                continue
            if cell.startswith("-"):
                self.negative = True
            elif value is None or value > MAX_UINT64:
                self.uint64_scan = "other" if value is None else "overflow"
            elif value > MAX_INT64:
                self.unsigned = True


def _is_integer(cell: str) -> bool:
    return _INTEGER.fullmatch(cell.strip(BLANKS)) is not None


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A column of text whose cells are all numbers or missing."""

    floats: pa.ChunkedArray
    integers: pa.ChunkedArray | None  # None: not all of them are of int64


def _cast_to_floats(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Cast text to float64, or return None if some cell is no number, or NaN as Arrow reads it."""
    floats = cast(column, pa.float64())
    return None if floats is None or math.isnan(pc.sum(floats).as_py() or 0.0) else floats


def convert_csv(column: pa.ChunkedArray, kinds: CsvKinds) -> Values:
    """Convert the column that was added last to the type that fits all cells so far."""
    csv_type, parsed = kinds.type, kinds.latest
    if parsed is not None:
        if csv_type == "float64":
            return parsed.floats
        if csv_type == "int64" and parsed.integers is not None:
            return parsed.integers
        if csv_type == "integers with gaps" and parsed.integers is not None:
            return pc.cast(parsed.integers, pa.float64(), safe=False)
    return _CONVERSIONS[csv_type](column)


def _to_gapped_integers(column: pa.ChunkedArray) -> Values:
    # By way of integers, as pandas does: -0 becomes 0.
    return pc.cast(to_integers(column)[0], pa.float64(), safe=False)


def _to_unsigned(column: pa.ChunkedArray) -> Values:
    return pc.cast(pc.utf8_ltrim(pc.ascii_trim_whitespace(column), "+"), pa.uint64())


def _to_gapped_booleans(column: pa.ChunkedArray) -> Values:
    return to_objects(to_booleans(column)[0].to_pylist(), np.nan)


def _to_python_integers(column: pa.ChunkedArray) -> Values:
    cells = nulls_for_missing(column).to_pylist()
    return to_objects([None if cell is None else int(cell) for cell in cells], np.nan)


_CONVERSIONS: Mapping[CsvType, Callable[[pa.ChunkedArray], Values]] = {
    "int64": lambda column: to_integers(column)[0],
    "uint64": _to_unsigned,
    "float64": lambda column: to_floats(column)[0],
    "integers with gaps": _to_gapped_integers,
    "booleans": lambda column: to_booleans(column)[0],
    "booleans with gaps": _to_gapped_booleans,
    "text": nulls_for_missing,
    "python integers": _to_python_integers,
    "verbatim": lambda column: pc.fill_null(column, ""),
}
