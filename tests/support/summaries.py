"""Summaries of predictions, made as a pool process makes them."""

from collections.abc import Iterable

import pyarrow as pa

from worker.distributions import Classes, Numbers
from worker.scoring.summary import PredictionSummary


def numbers(values: Iterable[float]) -> Numbers:
    """Return the summary of numbers."""
    found = _summary(pa.array(values, pa.float64()))
    assert isinstance(found, Numbers)
    return found


def classes(labels: Iterable[str]) -> Classes:
    """Return the summary of labels."""
    found = _summary(pa.array(labels, pa.string()))
    assert isinstance(found, Classes)
    return found


def _summary(column: pa.Array) -> object:
    if not len(column):
        return Numbers() if pa.types.is_floating(column.type) else Classes({})
    summary = PredictionSummary((), is_wanted=True)
    summary.add(pa.table([column], ["p"]))
    found = summary.result()
    assert found is not None
    return found.columns["p"]
