"""A twin of a fitted model that takes an array without a warning that it has no column names."""

import copy
from operator import is_
from typing import Any

_NAMES = "feature_names_in_"
_METHODS = ("transform", "predict", "predict_proba")


def without_names(part: Any) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    """Return a fitted part as one that knows no column names, and whose parts know none.

    What knows names is copied, but for what training computed. All else is shared.
    """
    if type(part) in {list, tuple}:
        twins = type(part)(map(without_names, part))
        return part if all(map(is_, part, twins)) else twins
    if not type(part).__module__.startswith("sklearn.") or not _takes_tables(part):
        return part
    attributes = {name: without_names(value) for name, value in vars(part).items()}
    if _NAMES not in attributes and all(map(is_, vars(part).values(), attributes.values())):
        return part
    twin = copy.copy(part)
    vars(twin).update(attributes)
    vars(twin).pop(_NAMES, None)
    return twin


def _takes_tables(part: object) -> bool:
    return hasattr(part, "__dict__") and any(hasattr(part, method) for method in _METHODS)
