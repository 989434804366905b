"""What a fitted model says of each column: walks the model, and puts the claims together."""

from dataclasses import dataclass

from worker.columns import ColumnSpec
from worker.models.column_specs.boosters import booster_claims, library_of
from worker.models.column_specs.claims import merged, narrow_dtype, need_objects
from worker.models.column_specs.compositions import COMPOSITIONS
from worker.models.column_specs.estimators import ESTIMATORS, any_of_sklearn, silent
from worker.models.column_specs.walk import Column, Columns, Estimator, Handler, Walk

_HANDLERS = {**COMPOSITIONS, **ESTIMATORS}


@dataclass(frozen=True, slots=True)
class ModelColumns:
    """What a fitted model says of its columns."""

    specs: tuple[ColumnSpec | None, ...]
    """Of each column; None: nothing."""
    as_objects: tuple[int, ...]
    """The positions of columns that held numbers or booleans as Python objects."""
    narrow: tuple[tuple[int, str], ...]
    """The positions of columns of floats narrower than float64, and their dtypes."""
    takes_documents: bool
    """Whether a vectorizer is among its parts."""


def find_columns(model: Estimator, width: int) -> ModelColumns:
    """Find what a fitted model of so many columns says of each of them."""
    walk = Walk(width, _handler_of)
    walk.visit(model, [Column(position) for position in range(width)])
    narrow = ((position, narrow_dtype(claims)) for position, claims in enumerate(walk.claims))
    return ModelColumns(
        tuple(merged(claims) for claims in walk.claims),
        tuple(position for position, claims in enumerate(walk.claims) if need_objects(claims)),
        tuple((position, dtype) for position, dtype in narrow if dtype is not None),
        walk.has_documents,
    )


def _handler_of(part: Estimator) -> Handler:
    if library_of(part) is not None:
        return _visit_booster
    # A class that inherits from scikit-learn's own may do anything with its columns.
    if type(part).__module__.startswith("sklearn."):
        return _HANDLERS.get(type(part).__name__, any_of_sklearn)
    return silent


def _visit_booster(walk: Walk, part: Estimator, columns: Columns) -> None:
    for column, claim in zip(columns, booster_claims(part), strict=True):
        walk.claim(column, claim)
