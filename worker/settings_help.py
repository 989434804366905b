"""Help with settings: the table for --help, and readable errors for wrong values."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from worker.errors import SettingsError
from worker.settings import PREFIX, Settings

_MARK = "must be one character of ASCII that is no letter, digit or space; or none"
# What a value must be whose pattern is for machines.
_PATTERNS = {
    "WORKER_MODEL_SHA256": "must be 64 hexadecimal digits",
    "WORKER_PREDICTOR": "must be package.module:factory",
    "WORKER_DELIMITER": "must be one character of ASCII, or tab",
    "WORKER_QUOTE": _MARK,
    "WORKER_ESCAPE": _MARK,
}


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def load() -> Settings:
    """Read the environment; raises SettingsError with one line for each problem."""
    try:
        return Settings()
    except ValidationError as error:
        lines = [line for problem in error.errors() for line in _lines(dict(problem))]
        raise SettingsError("\n".join(lines)) from None


def _lines(problem: dict[str, Any]) -> list[str]:
    text = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:  # a contradiction between settings, which names their variables
        return text.split("\n")
    name = str(problem["loc"][0])
    name = name if name.startswith(PREFIX) else variable(name)
    if problem["type"] == "missing":
        field = Settings.model_fields[name.removeprefix(PREFIX).lower()]
        return [f"{name} is required: {field.description}"]
    if problem["type"] == "string_pattern_mismatch":
        text = _PATTERNS.get(name, text)
    text = text.removeprefix("Input ")
    return [f"{name}: {text} (it is {problem['input']!r})"]


def unknown(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield each WORKER_ variable that is not a setting, with the most similar setting."""
    known = [variable(field) for field in Settings.model_fields]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            nearest = get_close_matches(name, known, n=1)
            yield name, nearest[0] if nearest else None


def table() -> list[tuple[str, str, str]]:
    """Return the variable, default and meaning of every setting."""
    return [
        (variable(name), _default(name), field.description or "")
        for name, field in Settings.model_fields.items()
    ]


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if field.is_required():
        return "required"
    described = {
        "predict_processes": "cores",
        "visibility_seconds": "the queue's own",
        "heartbeat_seconds": "visibility / 3",
        "delimiter": "sniffed",
        "escape": "none",
        "dtypes": "the model's, else pandas'",
        "keep_columns": "the first",
        "output_format": "the input's",
        "model_sha256": "any",
        "predictor": "scikit-learn",
    }
    value = described.get(name, field.default)
    return re.sub(r"\.0$", "", str(value))
