"""What a fitted model says of each column: walks the model, and puts the claims together."""

from worker.columns import ColumnSpec
from worker.models.column_specs.boosters import booster_claims, library_of
from worker.models.column_specs.claims import merged
from worker.models.column_specs.compositions import COMPOSITIONS
from worker.models.column_specs.estimators import ESTIMATORS, any_of_sklearn, silent
from worker.models.column_specs.walk import Column, Columns, Estimator, Handler, Walk

_HANDLERS = {**COMPOSITIONS, **ESTIMATORS}


def column_specs(model: Estimator, width: int) -> tuple[ColumnSpec | None, ...]:
    """Return what a fitted model says of each of its columns; None: nothing."""
    walk = Walk(width, _handler_of)
    walk.visit(model, [Column(position) for position in range(width)])
    return tuple(merged(claims) for claims in walk.claims)


def takes_documents(model: Estimator) -> bool:
    """Return whether a model takes one sequence of texts instead of a table."""
    walk = Walk(1, _handler_of)
    walk.visit(model, [Column(0)])
    return walk.has_documents


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
