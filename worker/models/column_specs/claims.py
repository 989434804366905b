"""What one part of a model says of a column, and what all parts together say of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from worker.columns import ColumnSpec, ColumnType, Missing

# A part that says nothing gets what pandas makes of the file.
SILENT = None

_FLOAT_BYTES = np.dtype(float).itemsize


@dataclass(frozen=True, slots=True)
class Claim:
    """What one part of a model takes in a column that reaches it unchanged."""

    type: ColumnType | None
    """None: the values of training had several Python types."""
    missing: Missing | None = None
    """None: this part saw no missing value in training, and takes them somehow."""
    categories: tuple[object, ...] | None = None
    as_categorical: bool = False
    is_evidence: bool = True
    """Whether it shows what training saw. A part that converts every number shows nothing."""
    as_objects: bool | None = False
    """Whether training saw numbers or booleans in a column of Python objects; None: not known."""
    narrow: str | None = None
    """The dtype of the floats that training saw, if it is narrower than float64."""


def takes_numbers(*, takes_missing: bool) -> Claim:
    """Return the claim of a part that converts every number to a float."""
    return Claim("float", None if takes_missing else "refused", is_evidence=False)


def claim_of_array(values: Any, *, refuses_unknown: bool = False) -> Claim | None:  # noqa: ANN401 - numpy's
    """Return what an encoder's categories of a column say of it.

    If the part `refuses_unknown` values, it refuses a missing one that training did not see.
    """
    if values.dtype.kind not in "biufUO":
        return SILENT  # times and bytes
    claim = claim_of_categories(values.tolist(), refuses_unknown=refuses_unknown)
    if claim is not None and values.dtype.kind == "f" and values.dtype.itemsize < _FLOAT_BYTES:
        # To the encoder 0.1 as float64 is not the 0.1 that it has seen.
        return replace(claim, narrow=values.dtype.name)
    if claim is None or claim.type == "text" or values.dtype.kind != "O":
        return claim
    # The encoder looks for objects, and does not find the numbers of another array.
    return replace(claim, as_objects=True)


def claim_of_categories(
    values: Iterable[object], *, refuses_unknown: bool = False, as_categorical: bool = False
) -> Claim | None:
    """Return what the values that training saw say of their column, as `claim_of_array` does."""
    known = [_plain(value) for value in values]
    present = tuple(value for value in known if not _is_missing(value))
    column_type, is_known = _common_type(present)
    if not is_known:
        return SILENT
    missing: Missing | None = "refused" if refuses_unknown else None
    if any(value is None for value in known):
        missing = "none"
    if any(_is_nan(value) for value in known):
        missing = "nan"
    return Claim(column_type, missing, present, as_categorical)


def merged(claims: Sequence[Claim | None]) -> ColumnSpec | None:
    """Return what all parts that read a column say of it together; None: nothing.

    Evidence of what training saw counts more than silence: a part that says nothing was trained
    on the same column. Silence counts more than the ability to convert every number: the silent
    part may tell 1 from 1.0, so the column stays as pandas types it.
    """
    if not claims:
        return ColumnSpec("unused")
    spoken = [claim for claim in claims if claim is not None]
    evidence = [claim for claim in spoken if claim.is_evidence]
    if not spoken or (len(spoken) < len(claims) and not evidence):
        return None
    best = _strongest(evidence or spoken)
    if best is None:
        return None
    missing = _merged_missing(spoken)
    return ColumnSpec(best.type or "category", missing, best.categories, best.as_categorical)


def need_objects(claims: Sequence[Claim | None]) -> bool:
    """Return whether the column must hold Python objects, also if all of them are numbers."""
    found = {claim.as_objects for claim in claims if claim is not None and claim.is_evidence}
    return True in found and False not in found


def narrow_dtype(claims: Sequence[Claim | None]) -> str | None:
    """Return the dtype that the column's floats must have, if it is narrower than float64."""
    return next((claim.narrow for claim in claims if claim is not None and claim.narrow), None)


def _plain(value: Any) -> object:  # noqa: ANN401 - numpy's scalars
    return value.item() if isinstance(value, np.generic) else value


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value  # noqa: PLR0124 - only nan differs


def _is_missing(value: object) -> bool:
    return value is None or _is_nan(value)


_TYPES: dict[type, ColumnType] = {bool: "bool", int: "int", float: "float", str: "text"}


def _common_type(values: Sequence[object]) -> tuple[ColumnType | None, bool]:
    """Return the type of all values, None if there are several; and whether all are known."""
    types = {_TYPES.get(type(value)) for value in values}
    if None in types or not types:
        return None, False
    if types == {"int", "float"}:
        return "float", True
    return (types.pop() if len(types) == 1 else None), True


# Of two parts that see the same column, one may see it after a table of numbers was made of it.
_NUMBERS: tuple[ColumnType, ...] = ("bool", "int", "float")


def _strongest(claims: Sequence[Claim]) -> Claim | None:
    """Return the claim of the narrowest type, with the categories of all; None: they differ."""
    types = {claim.type for claim in claims}
    if len(types) == 1:
        alike = claims
    elif types <= set(_NUMBERS):
        narrowest = min(types, key=lambda name: _NUMBERS.index(name) if name else 0)
        alike = [claim for claim in claims if claim.type == narrowest]
    else:
        return None
    best = next((claim for claim in alike if claim.as_categorical), alike[0])
    known = [claim.categories for claim in alike]
    if best.as_categorical:
        lists = {claim.categories for claim in alike if claim.as_categorical}
        return best if len(lists) == 1 else None
    if any(categories is None for categories in known):
        return replace(best, categories=None)
    union = dict.fromkeys(value for categories in known for value in categories or ())
    return replace(best, categories=tuple(union))


def _merged_missing(claims: Iterable[Claim]) -> Missing:
    found = {claim.missing for claim in claims}
    if "refused" in found:
        return "refused"
    # Training saw both only if different parts got different tables: pandas' own is nan.
    return "none" if "none" in found and "nan" not in found else "nan"
