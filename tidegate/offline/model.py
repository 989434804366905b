"""Loads a model as a pool process does, and describes it."""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from worker import logs, quoting
from worker.columns import ColumnSpec
from worker.errors import ModelError
from worker.formats import ModelInputs
from worker.models import Predictor, load_predictor
from worker.models.versions import version_in_pickle
from worker.settings import Settings


def load_model(settings: Settings) -> Predictor:
    """Load the model that the settings name; raises ModelError.

    A module of a predictor is found in the current folder too, as `python -m worker` finds it.
    """
    path = Path(settings.model)
    if settings.model_sha256 not in (None, digest(path)):
        raise ModelError(f"{path} has another digest than WORKER_MODEL_SHA256 says: {digest(path)}")
    logs.configure(logs.resolve(settings.log_format), settings.log_level)
    quoting.configure(masked=settings.report_values == "mask")
    if "" not in sys.path:
        sys.path.insert(0, "")
    return load_predictor(path, method=settings.predict, factory=settings.predictor)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, as the outputs' metadata name their model."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a model reads: its name or position, and what may stand in it."""

    name: str
    type: str
    missing: str
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a model is, what it reads, and which columns it adds to a file."""

    kind: str
    library: str | None
    written_by: str | None
    sha256: str
    size: int
    by_name: bool
    columns: tuple[Column, ...]
    outputs: tuple[str, ...]


def describe(settings: Settings, predictor: Predictor) -> ModelDescription:
    """Describe a loaded model."""
    path = Path(settings.model)
    inputs = ModelInputs.from_predictor(predictor)
    names = inputs.names or tuple(str(number) for number in range(1, (inputs.count or 0) + 1))
    model = getattr(predictor, "model", predictor)
    written = version_in_pickle(path) if path.suffix != ".onnx" else set[str]()
    return ModelDescription(
        kind=_kind(model),
        library=_library(model),
        written_by=min(written, default=None),
        sha256=digest(path),
        size=path.stat().st_size,
        by_name=inputs.names is not None,
        columns=tuple(
            _column(name, inputs.spec(position, name)) for position, name in enumerate(names)
        ),
        outputs=_outputs(predictor, names),
    )


def _kind(model: Any) -> str:  # noqa: ANN401 - any model
    steps = getattr(model, "steps", None)
    if type(model).__name__ == "Pipeline" and steps:
        return f"Pipeline of {', '.join(type(step).__name__ for _, step in steps)}"
    return type(model).__name__


def _library(model: object) -> str | None:
    """Return the name and version of the package that a model's class comes from."""
    name = type(model).__module__.partition(".")[0]
    version = getattr(sys.modules.get(name), "__version__", None)
    shown = {"sklearn": "scikit-learn"}.get(name, name)
    return f"{shown} {version}" if version else None


_TYPES = {
    None: "any",
    "float": "number",
    "int": "whole number",
    "bool": "true or false",
    "text": "text",
    "category": "category",
    "unused": "not read",
}
_MISSING = {"nan": "is NaN", "none": "is None", "refused": "makes a bad row"}


def _column(name: str, spec: ColumnSpec | None) -> Column:
    if spec is None:
        return Column(name, _TYPES[None], "as pandas reads it")
    known = spec.categories
    return Column(
        name,
        _TYPES[spec.type],
        _MISSING[spec.missing],
        None if known is None else tuple(map(str, known)),
    )


def _outputs(predictor: Predictor, names: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(map(str, predictor.predict(pd.DataFrame(columns=list(names))).columns))
    except Exception:  # noqa: BLE001 - a predictor of one's own may refuse a table without rows
        return ()
