"""Parts of scikit-learn that hand their columns on to other parts."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from worker.models.column_specs.claims import SILENT, takes_numbers
from worker.models.column_specs.walk import Column, Columns, Estimator, Handler, Walk
from worker.models.sklearn_introspection import takes_numbers_only


def _pipeline(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    current: Columns | None = columns
    for _, step in part.steps:
        if current is None:
            return None
        current = walk.visit(step, current)
    return current


def _column_transformer(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    names = list(getattr(part, "feature_names_in_", ()))
    blocks = part.output_indices_
    made: list[Column | None] = [None] * max((block.stop for block in blocks.values()), default=0)
    for name, transformer, key in part.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        chosen = [columns[position] for position in _positions(key, names, len(columns))]
        handed_on = walk.visit(transformer, chosen) or ()
        if any(handed_on):
            if len(handed_on) != blocks[name].stop - blocks[name].start:
                raise ValueError(f"{name} makes another number of columns")
            made[blocks[name]] = handed_on
    return made


def _positions(key: Any, names: Sequence[str], width: int) -> list[int]:  # noqa: ANN401 - any kind of key
    """Return the positions of the columns: a ColumnTransformer takes names, numbers or a mask."""
    if isinstance(key, slice):
        start, stop = key.start, key.stop
        if isinstance(start, str) or isinstance(stop, str):  # then the stop is included
            start = None if start is None else names.index(start)
            stop = None if stop is None else names.index(stop) + 1
        return list(range(width)[start : stop : key.step])
    keys = np.atleast_1d(key)
    if not len(keys):
        return []
    if keys.dtype.kind in "UO":
        by_name = {name: position for position, name in enumerate(names)}
        return [by_name[name] for name in keys.tolist()]
    return [int(position) for position in np.arange(width)[keys]]


def _union(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
    made: list[Column | None] = []
    is_certain = True
    for _, transformer in part.transformer_list:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        block = walk.visit(transformer, columns)
        is_certain = is_certain and block is not None
        made += block or ()
    if is_certain:
        return made
    walk.claim_all(made, SILENT)  # they go on to a place that is not known
    return None


def _select_from_model(walk: Walk, part: Estimator, columns: Columns) -> Columns:
    """Visit a SelectFromModel, whose model saw all columns."""
    walk.visit(part.estimator_, columns)
    return [columns[position] for position in part.get_support(indices=True)]


def _eliminator(walk: Walk, part: Estimator, columns: Columns) -> Columns:
    """Visit an RFE, whose model sees the selected columns; it saw all of them in training."""
    selected = part.get_support()
    made = [column for column, keep in zip(columns, selected, strict=True) if keep]
    others = [column for column, keep in zip(columns, selected, strict=True) if not keep]
    walk.visit(part.estimator_, made)
    is_numeric = takes_numbers_only(part)
    walk.claim_all(others, takes_numbers(takes_missing=True) if is_numeric else SILENT)
    return made


def _stack(walk: Walk, part: Estimator, columns: Columns) -> None:
    for model in part.estimators_:
        walk.visit(model, columns)
    if part.passthrough:  # the last model gets the predictions, and then the columns
        predictions = part.final_estimator_.n_features_in_ - len(columns)
        walk.visit(part.final_estimator_, [*[None] * predictions, *columns])


def _bag(walk: Walk, part: Estimator, columns: Columns) -> None:
    drawn = set[int]()
    for model, positions in zip(part.estimators_, part.estimators_features_, strict=True):
        walk.visit(model, [columns[position] for position in positions])
        drawn.update(int(position) for position in positions)
    # A column that no model drew is still part of the table.
    rest = [column for position, column in enumerate(columns) if position not in drawn]
    walk.claim_all(rest, SILENT)


def _inner(find: Callable[[Estimator], Iterable[Estimator]]) -> Handler:
    """Return a handler for a part that hands its whole table to each part that `find` finds."""

    def visit(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
        made: Columns | None = None
        # scikit-learn's stand-in for a model that saw one class only reads nothing.
        models = [model for model in find(part) if type(model).__name__ != "_ConstantPredictor"]
        for model in models:
            made = walk.visit(model, columns)
        if not models:
            walk.claim_all(columns, SILENT)
        return made

    return visit


def _as_numbers(hand_on: Handler) -> Handler:
    """Return a handler for a part that makes a table of numbers, and hands that on."""

    def visit(walk: Walk, part: Estimator, columns: Columns) -> Columns | None:
        walk.claim_all(columns, takes_numbers(takes_missing=True))
        return hand_on(walk, part, columns)

    return visit


_ALL = _inner(lambda part: part.estimators_)
_ONE = _inner(lambda part: [part.estimator_])
_SEARCH = _inner(lambda part: [part.best_estimator_])
# Each model of a chain also gets the answers of those before it.
_CHAIN = _as_numbers(_inner(lambda part: part.estimators_[:1]))

COMPOSITIONS: dict[str, Handler] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _column_transformer,
    "FeatureUnion": _union,
    "SelectFromModel": _select_from_model,
    "RFE": _eliminator,
    "RFECV": _eliminator,
    "GridSearchCV": _SEARCH,
    "RandomizedSearchCV": _SEARCH,
    "HalvingGridSearchCV": _SEARCH,
    "HalvingRandomSearchCV": _SEARCH,
    "CalibratedClassifierCV": _inner(
        lambda part: [calibrated.estimator for calibrated in part.calibrated_classifiers_]
    ),
    "VotingClassifier": _ALL,
    "VotingRegressor": _ALL,
    "StackingClassifier": _stack,
    "StackingRegressor": _stack,
    "BaggingClassifier": _bag,
    "BaggingRegressor": _bag,
    "AdaBoostClassifier": _ALL,
    "AdaBoostRegressor": _ALL,
    "OneVsRestClassifier": _ALL,
    "OneVsOneClassifier": _as_numbers(_ALL),
    "OutputCodeClassifier": _ALL,
    "MultiOutputClassifier": _ALL,
    "MultiOutputRegressor": _ALL,
    "ClassifierChain": _CHAIN,
    "RegressorChain": _CHAIN,
    "TransformedTargetRegressor": _inner(lambda part: [part.regressor_]),
    "FrozenEstimator": _inner(lambda part: [part.estimator]),
    "FixedThresholdClassifier": _ONE,
    "TunedThresholdClassifierCV": _ONE,
    "SelfTrainingClassifier": _ONE,
}
"""By the name of the class."""
