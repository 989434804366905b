"""Selects the columns that the model reads, and the columns that pass through."""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import SchemaMismatch, Unparsable
from worker.formats.base import CellForm
from worker.formats.model_inputs import Feature, ModelInputs
from worker.formats.types.text_cells import MISSING_VALUES

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ALL = ("*",)  # all columns, as in WORKER_KEEP_COLUMNS


@dataclass(frozen=True, slots=True)
class Selection:
    """The names of the columns that pass through, and the model's columns in its order."""

    kept: tuple[str, ...]
    features: tuple[Feature, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that must be read, once."""
        return tuple(dict.fromkeys((*self.kept, *(feature.column for feature in self.features))))


def select_columns(
    names: Sequence[str], inputs: ModelInputs, keep: Sequence[str] | None, *, cells: CellForm
) -> Selection:
    """Select the columns to read from the names in a file.

    If `keep` is None the first column passes through; if it is `*`, all columns do. Raises
    SchemaMismatch if a column is missing, and Unparsable if the header is a row of data.
    """
    if cells == "text" and _looks_like_data(names) and not set(inputs.names or ()) & set(names):
        raise Unparsable(
            f"the first line ({', '.join(names[:5])}, ...) looks like data, not like a header: "
            "a file needs one line of column names"
        )
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise SchemaMismatch(f"column names must differ; more than once there: {_quoted(repeated)}")
    return Selection(_kept(names, keep), _features(names, inputs))


def _kept(names: Sequence[str], keep: Sequence[str] | None) -> tuple[str, ...]:
    if keep is None:
        return tuple(names[:1])
    if tuple(keep) == _ALL:
        return tuple(names)
    kept = tuple(dict.fromkeys(keep))
    _require(kept, names, "columns to keep (WORKER_KEEP_COLUMNS)")
    return kept


def _features(names: Sequence[str], inputs: ModelInputs) -> tuple[Feature, ...]:
    return tuple(
        Feature(name, name, inputs.spec(position, name))
        for position, name in enumerate(_feature_names(names, inputs))
    )


def _feature_names(names: Sequence[str], inputs: ModelInputs) -> tuple[str, ...]:
    if inputs.names is not None:
        _require(inputs.names, names, "model's columns")
        return inputs.names
    features = tuple(names[1:])
    if inputs.count is not None and len(features) != inputs.count:
        raise SchemaMismatch(
            f"the model takes {inputs.count} columns by position, and the file has "
            f"{len(features)} after the first: {_quoted(features) or 'none'}"
        )
    if not features:
        raise SchemaMismatch(f"the file has no column but {_quoted(names)}: nothing to predict on")
    return features


def _require(wanted: Sequence[str], names: Sequence[str], role: str) -> None:
    if missing := [name for name in wanted if name not in set(names)]:
        raise SchemaMismatch(
            f"{len(missing)} of the {len(wanted)} {role} are not in the file: "
            + ", ".join(_with_nearest(name, names) for name in missing)
        )


def _with_nearest(name: str, names: Sequence[str]) -> str:
    """Return a missing name with the most similar name in the file, if there is one."""
    present = {_simplified(other): other for other in names}
    nearest = difflib.get_close_matches(_simplified(name), present, n=1)
    if not nearest:
        return repr(name)
    other = present[nearest[0]]
    # The composed and the decomposed form of a letter look the same, so show their code points.
    show = ascii if _composed(name) == _composed(other) else repr
    return f"{show(name)} (nearest: {show(other)})"


def _simplified(name: str) -> str:
    """Return a name without the differences that people make when they type it."""
    return _composed(name).casefold().strip()


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _looks_like_data(names: Sequence[str]) -> bool:
    """Return whether a first line is probably a row of data and not a header.

    It is if all cells after the first are numbers or missing, and the first is a number or one
    of the others has a decimal point. The numbers 0, 1, 2 ... are a header: pandas names columns
    so if they have no names.
    """
    if list(names) == [str(position) for position in range(len(names))]:
        return False
    first, rest = names[:1], names[1:]
    if not all(_is_number(name) or name.strip() in MISSING_VALUES for name in rest):
        return False
    return any(map(_is_number, first)) or any("." in name and _is_number(name) for name in rest)


def _is_number(name: str) -> bool:
    return _NUMBER.fullmatch(name.strip()) is not None
