"""A twin of a fitted model that takes an array without a warning that it has no column names."""

import copy
from typing import Any

_METHODS = ("transform", "predict", "predict_proba")


def without_names(part: Any) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    """Return a copy of a fitted part, and of the parts in it, that does not know column names.

    The copies share what training computed. What is not of scikit-learn stays as it is.
    """
    if type(part) in {list, tuple}:
        return type(part)(map(without_names, part))
    if not type(part).__module__.startswith("sklearn.") or not _takes_tables(part):
        return part
    twin = copy.copy(part)
    attributes = vars(twin)
    attributes.pop("feature_names_in_", None)
    attributes |= {name: without_names(value) for name, value in attributes.items()}
    return twin


def _takes_tables(part: object) -> bool:
    return hasattr(part, "__dict__") and any(hasattr(part, method) for method in _METHODS)
