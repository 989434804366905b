"""Parts of scikit-learn that read columns, and know what they take."""

import numpy as np
import pandas as pd

from worker.columns import Missing
from worker.models.column_specs.claims import SILENT, Claim, claim_of_array, takes_numbers
from worker.models.column_specs.walk import Column, Columns, Estimator, Handler, Walk
from worker.models.sklearn_introspection import maps_floats, takes_numbers_only


def silent(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    """Visit a part of which nothing is known."""
    walk.claim_all(columns, SILENT)
    return _computed(part)


def any_of_sklearn(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    """Visit an estimator without a handler of its own: most convert every number to a float."""
    if not takes_numbers_only(part):
        return silent(walk, part, columns)
    takes_missing = part.__sklearn_tags__().input_tags.allow_nan
    walk.claim_all(columns, takes_numbers(takes_missing=takes_missing))
    return _computed(part)


def _computed(part: Estimator) -> Columns | None:
    """Return the computed columns of a transformer, if their number is known."""
    names = getattr(part, "get_feature_names_out", None)
    return None if names is None else [None] * len(names())


def _function(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    """Visit a FunctionTransformer: most functions may do anything with their columns."""
    if part.func is None and not part.validate:
        return columns
    if not maps_floats(part):
        return silent(walk, part, columns)
    walk.claim_all(columns, takes_numbers(takes_missing=not part.validate))
    return [None] * len(columns)


def _simple_imputer(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    """Visit a SimpleImputer, which hands its columns on if it keeps their type."""
    missing = _missing_of(part.missing_values)
    if part.strategy not in {"most_frequent", "constant"}:
        walk.claim_all(columns, Claim("float", missing, is_evidence=False))
        return _computed(part)
    if getattr(part, "_fit_dtype", np.dtype(object)).kind != "O":
        walk.claim_all(columns, Claim("float", missing, is_evidence=False))
    made = [
        Column(column.position, column.missing or missing) if column else None
        for column, statistic in zip(columns, part.statistics_, strict=True)
        if part.keep_empty_features or not _is_nan(statistic)
    ]
    indicator = getattr(part, "indicator_", None)
    return made if indicator is None else [*made, *[None] * len(indicator.features_)]


def _missing_of(missing_values: object) -> Missing:
    """Return what is missing for an imputer; one that fills other values refuses a missing cell."""
    if missing_values is None:
        return "none"
    return "nan" if missing_values is pd.NA or _is_nan(missing_values) else "refused"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and bool(np.isnan(value))


def _encoder(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    refuses = getattr(part, "handle_unknown", None) == "error"
    for column, values in zip(columns, part.categories_, strict=True):
        walk.claim(column, claim_of_array(values, refuses_unknown=refuses))
    return _computed(part)


def _histogram_booster(walk: Walk, part: Estimator, columns: Columns) -> None:
    numbers = takes_numbers(takes_missing=True)
    if part.is_categorical_ is None:
        walk.claim_all(columns, numbers)
        return
    encoder = part._preprocessor.named_transformers_["encoder"]  # noqa: SLF001 - the only place of the categories
    known = iter(encoder.categories_)
    for column, is_categorical in zip(columns, part.is_categorical_, strict=True):
        walk.claim(column, claim_of_array(next(known)) if is_categorical else numbers)


def _categorical_bayes(walk: Walk, part: Estimator, columns: Columns) -> None:  # noqa: ARG001 - a handler
    """Visit a CategoricalNB, which cuts a number to a whole one without a word."""
    walk.claim_all(columns, Claim("int", "refused", is_evidence=False))


def _vectorizer(walk: Walk, part: Estimator, columns: Columns) -> Columns:
    """Visit a vectorizer: it takes one column of texts, and refuses a missing one."""
    (column,) = columns
    # Analyzers of one's own may take something else than text, and so may readers of files.
    is_text = part.input == "content" and isinstance(part.analyzer, str)
    walk.claim(column, Claim("text", "refused") if is_text else SILENT)
    walk.has_documents = True
    vocabulary = getattr(part, "vocabulary_", None)
    return [None] * (part.n_features if vocabulary is None else len(vocabulary))


ESTIMATORS: dict[str, Handler] = {
    "FunctionTransformer": _function,
    "SimpleImputer": _simple_imputer,
    "OneHotEncoder": _encoder,
    "OrdinalEncoder": _encoder,
    "TargetEncoder": _encoder,
    "HistGradientBoostingClassifier": _histogram_booster,
    "HistGradientBoostingRegressor": _histogram_booster,
    "CategoricalNB": _categorical_bayes,
    "CountVectorizer": _vectorizer,
    "TfidfVectorizer": _vectorizer,
    "HashingVectorizer": _vectorizer,
}
"""By the name of the class."""
