"""What a fitted scikit-learn model is made of, and what that says of its input."""

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline


def final_step(model: Any) -> Any:  # noqa: ANN401 - as scikit-learn: untyped
    """The estimator that answers, inside pipelines and searches for parameters."""
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif isinstance(model, Pipeline):
            model = model.steps[-1][1]
        else:
            return model


def takes_numbers_only(model: object) -> bool:
    """Whether every column must hold numbers: certain for scikit-learn's own plain parts only."""
    parts = list(_parts(model))
    return all(map(_is_their_own, parts)) and not any(map(_takes_more, parts))


def _parts(model: Any) -> Iterator[Any]:  # noqa: ANN401 - see above
    # What a search has chosen need not be among its parameters.
    model = getattr(model, "best_estimator_", model)
    yield model
    if isinstance(model, BaseEstimator):
        for part in model.get_params().values():
            if hasattr(part, "fit"):
                yield from _parts(part)


def _is_their_own(part: object) -> bool:
    return isinstance(part, BaseEstimator) and type(part).__module__.startswith("sklearn.")


def _takes_more(part: Any) -> bool:  # noqa: ANN401 - see above
    tags = part.__sklearn_tags__()
    # Not yet fitted, as some parts are kept, gradient boosting does not know its categories.
    categories = getattr(part, "is_categorical_", getattr(part, "categorical_features", None))
    return (
        isinstance(part, ColumnTransformer)  # the columns that it drops may hold anything
        or tags.no_validation
        or tags.input_tags.string
        or tags.input_tags.categorical
        or categories is not None
    )
