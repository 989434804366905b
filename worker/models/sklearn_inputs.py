"""The columns that a fitted model reads: their names, their number, and what they may hold."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pandas as pd

from worker.columns import ColumnSpec
from worker.models.column_specs import find_columns
from worker.models.column_specs.boosters import booster_names, booster_width, library_of

_EXACT = 2**53  # a float holds every whole number up to here


@dataclass(frozen=True, slots=True)
class SklearnInputs:
    """The columns of a model with scikit-learn's methods."""

    names: tuple[str, ...] | None
    width: int | None
    specs: tuple[ColumnSpec | None, ...] = ()
    takes_documents: bool = False
    """Whether it takes one sequence of texts instead of a table."""
    as_objects: tuple[int, ...] = ()
    """The positions of columns that it takes as Python objects."""
    narrow: tuple[tuple[int, str], ...] = ()
    """The positions of columns of floats narrower than float64, and their dtypes."""
    is_exact: bool = False
    """Whether it knows whole numbers that a float does not hold."""
    spaces_as_underscores: bool = False
    """Whether its names have underscores for spaces, as LightGBM writes them."""

    @property
    def depends_on_columns(self) -> bool:
        """Whether a column's own type matters, so that one table of floats is not the same."""
        return self.takes_documents or bool(self.as_objects or self.narrow) or self.is_exact


def find_inputs(model: Any) -> SklearnInputs:  # noqa: ANN401 - scikit-learn is untyped
    """Find the columns of a fitted model."""
    reader = _reader(model)
    library = library_of(reader)
    names = getattr(model, "feature_names_in_", None)
    width = getattr(model, "n_features_in_", None) or None  # CatBoost's may be 0
    if library is not None:
        with suppress(Exception):  # another version may keep them elsewhere
            names = booster_names(reader) if names is None else names
            width = width or booster_width(reader)
    if names is not None:
        names = tuple(str(name) for name in names)
        width = len(names)
    columns = find_columns(model, 1 if width is None else width)
    if width is None and not columns.takes_documents:
        return SklearnInputs(names, width)
    return SklearnInputs(
        names,
        1 if width is None else width,
        columns.specs,
        takes_documents=width is None,
        as_objects=columns.as_objects,
        narrow=columns.narrow,
        is_exact=any(map(_is_beyond_floats, columns.specs)),
        spaces_as_underscores=names is not None and library == "lightgbm",
    )


def _is_beyond_floats(spec: ColumnSpec | None) -> bool:
    if spec is None or spec.type != "int":
        return False
    return any(isinstance(value, int) and abs(value) > _EXACT for value in spec.categories or ())


def _reader(model: Any) -> Any:  # noqa: ANN401 - see above
    """Return the part that reads a model's whole table first, as far as it can be a booster."""
    while type(model).__module__.startswith("sklearn."):
        name = type(model).__name__
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif name == "Pipeline":
            model = model.steps[0][1]
        elif name == "CalibratedClassifierCV":
            model = model.calibrated_classifiers_[0].estimator
        elif name == "TransformedTargetRegressor":
            model = model.regressor_
        elif name == "FrozenEstimator":
            model = model.estimator
        elif name.startswith(("Voting", "Stacking")):
            model = model.estimators_[0]
        else:
            break
    return model


_TYPICAL = {"float": 0.0, "int": 0, "bool": False, "text": "", "category": "", "unused": 0.0}


def typical_cell(spec: ColumnSpec | None) -> "pd.Series[Any]":
    """Return a column of one value that a spec has a place for; 0 if nothing is said."""
    if spec is None:
        return pd.Series([0.0])
    value = spec.categories[0] if spec.categories else _TYPICAL[spec.type]
    if spec.as_categorical:
        return pd.Series(pd.Categorical([value], categories=list(spec.categories or ())))
    return pd.Series([value])
