"""What fitted models of LightGBM, XGBoost and CatBoost say of their columns.

None of the three is imported here: a model that is loaded has brought its own library along.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from worker.models.column_specs.claims import SILENT, Claim, claim_of_categories, takes_numbers

Claims = Sequence[Claim | None]
_NUMBER = takes_numbers(takes_missing=True)
_CATEGORICAL_COLUMNS = re.compile(r"^\[categorical_feature: ([\d,]+)\]$", re.MULTILINE)
_FEATURE_INFOS = re.compile(r"^feature_infos=(.*)$", re.MULTILINE)


def library_of(model: object) -> str | None:
    """Return the booster's library whose own class the model is; None: of none."""
    library = type(model).__module__.partition(".")[0]
    return library if library in _LIBRARIES else None


def booster_names(model: Any) -> tuple[str, ...] | None:  # noqa: ANN401 - the libraries are untyped
    """Return the names of a booster's columns; None: it was trained on an array."""
    names_of, _ = _LIBRARIES[library_of(model) or ""]
    names = names_of(model)
    return None if names is None else tuple(str(name) for name in names)


def booster_width(model: Any) -> int | None:  # noqa: ANN401 - see above
    """Return how many columns a booster takes.

    A CatBoost model that was saved and loaded has 0 as its `n_features_in_`.
    """
    if library_of(model) == "catboost":
        return len(model.feature_names_ or ()) or None
    if hasattr(model, "num_feature"):  # LightGBM's Booster
        width: int | None = model.num_feature()
        return width
    return getattr(model, "n_features_in_", None)


def booster_claims(model: Any) -> Claims:  # noqa: ANN401 - see above
    """Return what a booster says of each of its columns."""
    _, claims_of = _LIBRARIES[library_of(model) or ""]
    return claims_of(model)


def _lightgbm_names(model: Any) -> Sequence[str] | None:  # noqa: ANN401 - see above
    names = list(model.feature_name() if hasattr(model, "feature_name") else model.feature_name_)
    unnamed = [f"Column_{position}" for position in range(len(names))]
    return None if names == unnamed else names


def _lightgbm_claims(model: Any) -> Claims:  # noqa: ANN401 - see above
    """Return numbers, and the categories of the columns that were pandas.Categorical.

    Categories that are numbers are whole: LightGBM would cut off a fraction without a word. It
    keeps the lists of categories, and apart from them which columns are categories. If the two
    cannot be matched for certain, as with ordered categories, nothing is said.
    """
    booster = getattr(model, "booster_", model)
    claims: list[Claim | None] = [_NUMBER] * booster.num_feature()
    lists = booster.pandas_categorical or []
    text = booster.model_to_string(num_iteration=1)
    found = _CATEGORICAL_COLUMNS.search(text)
    columns = [int(column) for column in found[1].split(",")] if found else []
    matched = _FEATURE_INFOS.search(text)
    infos = matched[1].split(" ") if matched else [""] * len(claims)
    if not lists:
        for column in columns:
            if set(infos[column].split(":")) - {"-1", "0", "1"}:  # -1 is missing; 0, 1: booleans?
                claims[column] = Claim("int")
        return claims
    if matched is None or not _are_codes(infos, columns, lists):
        return [SILENT] * len(claims)
    for column, values in zip(columns, lists, strict=True):
        claims[column] = claim_of_categories(values, as_categorical=True)
    return claims


def _are_codes(
    infos: Sequence[str], columns: Sequence[int], lists: Sequence[Sequence[object]]
) -> bool:
    """Return whether the columns hold codes of the lists; an info is `0:2:1` or `[0:1]`."""
    if len(columns) != len(lists):
        return False
    for column, values in zip(columns, lists, strict=True):
        if infos[column].startswith("["):
            return False
        codes = [] if infos[column] == "none" else infos[column].split(":")
        if any(int(code) >= len(values) for code in codes):
            return False
    return True


def _xgboost_names(model: Any) -> Sequence[str] | None:  # noqa: ANN401 - see above
    names: Sequence[str] | None = model.get_booster().feature_names
    return names


def _xgboost_claims(model: Any) -> Claims:  # noqa: ANN401 - see above
    """Return numbers, and the categories that XGBoost 3.1 and later keep."""
    booster = model.get_booster()
    types = booster.feature_types or ()
    claims: list[Claim | None] = [_NUMBER] * booster.num_features()
    columns = [column for column, name in enumerate(types) if name == "c"]
    if not columns:
        return claims
    stored: Sequence[Any] = ()
    if hasattr(booster, "get_categories"):
        stored = booster.get_categories(export_to_arrow=True).to_arrow()
    for column in columns:
        values = stored[column][1] if column < len(stored) else None
        claims[column] = (
            SILENT
            if values is None
            else claim_of_categories(values.to_pylist(), as_categorical=True)
        )
    return claims


def _catboost_names(model: Any) -> Sequence[str] | None:  # noqa: ANN401 - see above
    names = model.feature_names_
    unnamed = [str(position) for position in range(len(names or ()))]
    return None if names == unnamed else names


def _catboost_claims(model: Any) -> Claims:  # noqa: ANN401 - see above
    """Return numbers, and text for categories and texts.

    CatBoost keeps hashes of its categories. They are those of the text, also for whole numbers. A
    missing cell must be text too, so it is refused.
    """
    claims: list[Claim | None] = [_NUMBER] * len(model.feature_names_)
    for column in (*model.get_cat_feature_indices(), *model.get_text_feature_indices()):
        claims[column] = Claim("text", "refused")
    for column in model.get_embedding_feature_indices():
        claims[column] = SILENT
    return claims


_LIBRARIES: dict[str, tuple[Callable[[Any], Sequence[str] | None], Callable[[Any], Claims]]] = {
    "lightgbm": (_lightgbm_names, _lightgbm_claims),
    "xgboost": (_xgboost_names, _xgboost_claims),
    "catboost": (_catboost_names, _catboost_claims),
}
