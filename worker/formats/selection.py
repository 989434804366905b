"""Which of a file's columns the model reads, and which pass through."""

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from worker.errors import SchemaMismatch, Unparsable
from worker.formats.base import Cells
from worker.formats.type_inference import MISSING

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ALL = ("*",)  # of the columns, as in WORKER_KEEP_COLUMNS


@dataclass(frozen=True, slots=True)
class Needs:
    """What a predictor says of its input, by attributes it may have."""

    names: tuple[str, ...] | None
    count: int | None
    numbers_only: bool
    takes_missing: bool
    text_columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, predictor: object) -> Self:
        """Read the attributes that `worker.models.Predictor` may have."""
        names = getattr(predictor, "feature_names_in_", None)
        return cls(
            names=None if names is None else tuple(str(name) for name in names),
            count=getattr(predictor, "n_features_in_", None),
            numbers_only=getattr(predictor, "numbers_only", False),
            takes_missing=getattr(predictor, "takes_missing", True),
            text_columns=tuple(getattr(predictor, "text_columns", ())),
        )

    def is_text(self, name: str) -> bool:
        """Whether a column is text even where it looks like something else."""
        return name in self.text_columns or self.text_columns == _ALL


@dataclass(frozen=True, slots=True)
class Selection:
    """Column names: those that leave as they came, and the model's, in its order."""

    kept: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that has to be read, once."""
        return tuple(dict.fromkeys((*self.kept, *self.features)))


def select(
    names: Sequence[str], needs: Needs, keep: Sequence[str] | None, *, cells: Cells
) -> Selection:
    """The columns to read; raises SchemaMismatch, or Unparsable where a header is none.

    Without `keep` the first column passes through, with `*` every one.
    """
    if cells == "text" and _looks_like_data(names) and not set(needs.names or ()) & set(names):
        raise Unparsable(
            f"the first line ({', '.join(names[:5])}, ...) looks like data, not like a header: "
            "a file needs one line of column names"
        )
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise SchemaMismatch(f"column names must differ; more than once there: {_quoted(twice)}")
    if keep is None:
        kept = tuple(names[:1])
    elif tuple(keep) == _ALL:
        kept = tuple(names)
    else:
        kept = tuple(dict.fromkeys(keep))
        _require(kept, names, "columns to keep (WORKER_KEEP_COLUMNS)")
    return Selection(kept, _features(names, needs))


def _features(names: Sequence[str], needs: Needs) -> tuple[str, ...]:
    if needs.names is not None:
        _require(needs.names, names, "model's columns")
        return needs.names
    features = tuple(names[1:])
    if needs.count is not None and len(features) != needs.count:
        raise SchemaMismatch(
            f"the model takes {needs.count} columns by position, and the file has "
            f"{len(features)} after the first: {_quoted(features) or 'none'}"
        )
    if not features:
        raise SchemaMismatch(f"the file has no column but {_quoted(names)}: nothing to predict on")
    return features


def _require(wanted: Sequence[str], names: Sequence[str], what: str) -> None:
    if missing := [name for name in wanted if name not in set(names)]:
        raise SchemaMismatch(
            f"{len(missing)} of the {len(wanted)} {what} are not in the file: "
            + ", ".join(_with_nearest(name, names) for name in missing)
        )


def _with_nearest(name: str, names: Sequence[str]) -> str:
    present = {_folded(other): other for other in names}
    nearest = difflib.get_close_matches(_folded(name), present, n=1)
    if not nearest:
        return repr(name)
    other = present[nearest[0]]
    # Composed and decomposed letters look the same.
    show = ascii if _composed(name) == _composed(other) else repr
    return f"{show(name)} (nearest: {show(other)})"


def _folded(name: str) -> str:
    """What is left of a name for whoever types it: neither capitals nor spaces around."""
    return _composed(name).casefold().strip()


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _looks_like_data(names: Sequence[str]) -> bool:
    """Whether all cells are numbers or missing: the first a number, or another with a fraction.

    The numbers 0, 1, 2 ... are what pandas calls columns that have no names: a header.
    """
    if list(names) == [str(place) for place in range(len(names))]:
        return False
    first, rest = names[:1], names[1:]
    if not all(_is_number(name) or name.strip() in MISSING for name in rest):
        return False
    return any(map(_is_number, first)) or any("." in name and _is_number(name) for name in rest)


def _is_number(name: str) -> bool:
    return _NUMBER.fullmatch(name.strip()) is not None
