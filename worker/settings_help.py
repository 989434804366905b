"""Help with settings: the table for --help, and readable errors for wrong values."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, MutableMapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from worker.errors import SettingsError
from worker.settings import PREFIX, SETTINGS_OF_A_JOB, Settings

_MARK = "must be one character of ASCII that is no letter, digit or space; or none"
# What a value must be whose pattern is for machines.
_PATTERNS = {
    "WORKER_MODEL_SHA256": "must be 64 hexadecimal digits",
    "WORKER_PREDICTOR": "must be package.module:factory",
    "WORKER_EVENT_BUS": "must be the name or the ARN of an event bus",
    "WORKER_DELIMITER": "must be one character of ASCII, or tab",
    "WORKER_QUOTE": _MARK,
    "WORKER_ESCAPE": _MARK,
}

TOGETHER = "WORKER_SETTINGS"
ALIASES = {"WORKER_QUEUE": ("SQS_QUEUE",)}
MISSPELT = 0.8  # how similar a name must be to be taken for another one


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def load() -> Settings:
    """Read the environment; raises SettingsError with one line for each problem."""
    spread(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_all_lines(error))) from None


class _GivenSettings(Settings):
    """Settings that are given one by one: the environment has no part in them."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def of_a_job(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """Return the settings of one job, whose message changes some: `{"MAX_REJECTED": "0.05"}`.

    The values are texts, as in the environment. Raises SettingsError with one line for each
    problem.
    """
    if problems := [*_refusals(changes)]:
        raise SettingsError("\n".join(problems))
    own = {name: getattr(settings, name) for name in Settings.model_fields}
    changed = own | {name.lower(): value for name, value in changes.items()}
    changed["WORKER_QUEUE"] = changed.pop("queue")
    try:
        return _GivenSettings(**changed)
    except ValidationError as error:
        raise SettingsError("\n".join(_all_lines(error))) from None


def _refusals(changes: Mapping[str, object]) -> Iterator[str]:
    allowed = {name.upper() for name in SETTINGS_OF_A_JOB}
    for name, value in changes.items():
        if name not in allowed:
            yield f"a message may not set {name!r}, only {', '.join(sorted(allowed))}"
        elif not isinstance(value, str) or not value:
            yield f"{variable(name)}: must be a text, as in the environment (it is {value!r})"


def spread(environment: MutableMapping[str, str]) -> None:
    """Set a variable for each setting in WORKER_SETTINGS: `MAX_REJECTED=0.05 DTYPES=zip=text`.

    They are quoted as words of a shell. A stack gives all settings in this one variable. Raises
    SettingsError with one line for each problem.
    """
    try:
        words = shlex.split(environment.get(TOGETHER, ""))
    except ValueError as error:
        raise SettingsError(f"{TOGETHER}: {error} (quotes are those of a shell)") from None
    problems: list[str] = []
    for word in words:
        try:
            name, value = parse_assignment(word)
        except SettingsError as error:
            problems.append(f"{TOGETHER}: {error}")
            continue
        if environment.get(name, value) not in {value, ""}:
            problems.append(f"{TOGETHER} and {name} contradict each other: set it in one place")
        else:
            environment[name] = value
    if problems:
        raise SettingsError("\n".join(problems))


def parse_assignment(text: str) -> tuple[str, str]:
    """Return the variable and the value of NAME=VALUE; the prefix WORKER_ may be left out.

    Raises SettingsError, also if there is no such setting.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"must be NAME=VALUE, as in MAX_REJECTED=0.05 (it is {text!r})")
    field = name.strip().upper().removeprefix(PREFIX).lower()
    if field not in Settings.model_fields:
        raise SettingsError(f"there is no setting {variable(field)}{_suggestion(variable(field))}")
    return variable(field), value


def _suggestion(name: str) -> str:
    near = get_close_matches(name, list(map(variable, Settings.model_fields)), n=1, cutoff=MISSPELT)
    return f": did you mean {near[0]}?" if near else ""


def _all_lines(error: ValidationError) -> list[str]:
    return [line for problem in error.errors() for line in _lines(dict(problem))]


def _lines(problem: dict[str, Any]) -> list[str]:
    text = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:  # a contradiction between settings, which names their variables
        return text.split("\n")
    name = str(problem["loc"][0])
    name = name if name.startswith(PREFIX) else variable(name)
    if problem["type"] == "missing":
        field = Settings.model_fields[name.removeprefix(PREFIX).lower()]
        return [f"{name} is required: {field.description}{_hint(name)}"]
    if problem["type"] == "string_pattern_mismatch":
        text = _PATTERNS.get(name, text)
    text = text.removeprefix("Input ")
    return [f"{name}: {text} (it is {problem['input']!r})"]


def _hint(required: str) -> str:
    """Return what the environment holds in place of a required variable."""
    accepted = [required, *ALIASES.get(required, ())]
    if any(name in os.environ for name in accepted):
        return "; it is set, but empty"
    known = {variable(field) for field in Settings.model_fields} | {*accepted}
    others = {name.upper(): name for name in sorted(os.environ) if name.upper() not in known}
    for name in accepted:
        if near := get_close_matches(name, others, n=1, cutoff=MISSPELT):
            return f"; {others[near[0]]} is set, which is no setting: did you mean {name}?"
    return ""


def unknown(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield each WORKER_ variable that is not a setting, with the most similar setting."""
    known = [field.upper() for field in Settings.model_fields]
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name != TOGETHER:
            # Without the prefix, by which all of them are similar.
            field = name.upper().removeprefix(PREFIX)
            if field not in known:
                nearest = get_close_matches(field, known, n=1)
                yield name, variable(nearest[0]) if nearest else None


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
        "idle_seconds": "auto",
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
