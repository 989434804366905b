"""Inspects a fitted scikit-learn model: its final estimator, and whether it takes numbers only."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer


def final_step(model: Any) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    """Return the estimator that predicts, inside pipelines and parameter searches."""
    while True:
        if hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        elif isinstance(model, Pipeline):
            model = model.steps[-1][1]
        else:
            return model


def takes_numbers_only(model: object) -> bool:
    """Return whether every column must hold numbers.

    That is only known for models made of scikit-learn's own estimators; of others it is false.
    """
    estimators = list(_nested_estimators(model))
    return all(map(_is_of_sklearn, estimators)) and not any(map(_takes_other_types, estimators))


def overwrites_input(model: object) -> bool:
    """Return whether a part of the model may write its results over the numbers that it gets."""
    return any(getattr(part, "copy", True) is False for part in _nested_estimators(model))


def maps_floats(transformer: FunctionTransformer) -> bool:
    """Return whether a function gives for whole numbers what it gives for floats.

    One of numpy's own does if it converts whole numbers to floats itself. Of other functions
    nothing is known: 1 may be another text than 1.0.
    """
    function = transformer.func
    if function is None:
        return True
    if not isinstance(function, np.ufunc) or function.nin != 1:
        return False
    taken = {signature[0] for signature in function.types}
    return "d" in taken and not taken & set("lq")


def _nested_estimators(model: Any) -> Iterator[Any]:  # noqa: ANN401 - see above
    # The estimator that a search has chosen need not be among the search's parameters.
    model = getattr(model, "best_estimator_", model)
    yield model
    if isinstance(model, BaseEstimator):
        for parameter in model.get_params().values():
            if hasattr(parameter, "fit"):
                yield from _nested_estimators(parameter)


def _is_of_sklearn(estimator: object) -> bool:
    return isinstance(estimator, BaseEstimator) and type(estimator).__module__.startswith(
        "sklearn."
    )


def _takes_other_types(estimator: Any) -> bool:  # noqa: ANN401 - see above
    tags = estimator.__sklearn_tags__()
    # Only a fitted gradient booster has `is_categorical_`, and a parameter may be unfitted.
    categories = getattr(
        estimator, "is_categorical_", getattr(estimator, "categorical_features", None)
    )
    return (
        isinstance(estimator, ColumnTransformer)  # it may drop columns of any type
        or (isinstance(estimator, FunctionTransformer) and not maps_floats(estimator))
        or tags.no_validation
        or tags.input_tags.string
        or tags.input_tags.categorical
        or categories is not None
    )
