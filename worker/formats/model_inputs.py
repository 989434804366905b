"""The columns that a predictor reads, and what it says of each."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from worker.columns import ColumnSpec

_ALL = "*"  # all columns, in a predictor's `text_columns`


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the file that the model reads."""

    column: str
    """Its name in the file."""
    name: str
    """Its name in the frame that the model gets."""
    spec: ColumnSpec | None = None


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """The columns that a predictor reads, and the values that it takes in them."""

    names: tuple[str, ...] | None
    """Its columns by name; None: by position, all columns after the first."""
    count: int | None
    """How many columns it takes; None: any number."""
    numbers_only: bool
    takes_missing: bool
    text_columns: tuple[str, ...] = ()
    specs: tuple[ColumnSpec | None, ...] = ()
    """What it says of each column, in the order of its columns; None: nothing."""
    types: Mapping[str, ColumnSpec] = field(default_factory=dict)
    """What it says of columns by name."""
    spaces_as_underscores: bool = False
    """Whether its names have underscores where the columns of its training had spaces."""
    takes_block: bool = False
    """Whether it takes columns of floats as one array, by `predict_block`."""

    @classmethod
    def from_predictor(cls, predictor: object) -> Self:
        """Read the optional attributes that `worker.models.Predictor` describes."""
        names = getattr(predictor, "feature_names_in_", None)
        types = getattr(predictor, "column_types", {})
        return cls(
            names=None if names is None else tuple(str(name) for name in names),
            count=getattr(predictor, "n_features_in_", None),
            numbers_only=getattr(predictor, "numbers_only", False),
            takes_missing=getattr(predictor, "takes_missing", True),
            text_columns=tuple(getattr(predictor, "text_columns", ())),
            specs=tuple(getattr(predictor, "column_specs", ())),
            types={str(name): ColumnSpec(column_type) for name, column_type in types.items()},
            spaces_as_underscores=getattr(predictor, "spaces_as_underscores", False),
            # A plug-in that hands on the attributes of another predictor has no such method.
            takes_block=hasattr(type(predictor), "predict_block")
            and getattr(predictor, "takes_block", False),
        )

    def spec(self, position: int, name: str) -> ColumnSpec | None:
        """Return what the predictor says of its column at a position; None: nothing."""
        spec = self.specs[position] if position < len(self.specs) else None
        spec = spec or self.types.get(name)
        if spec is None and (name in self.text_columns or _ALL in self.text_columns):
            spec = _TEXT
        if spec is None and self.numbers_only:
            return _FLOAT if self.takes_missing else _PRESENT_FLOAT
        if spec is not None and not self.takes_missing:
            return replace(spec, missing="refused")
        return spec


# Made once, as a file may have thousands of such columns.
_TEXT = ColumnSpec("text")
_FLOAT, _PRESENT_FLOAT = ColumnSpec("float"), ColumnSpec("float", "refused")
