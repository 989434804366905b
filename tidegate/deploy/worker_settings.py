"""The workers' settings of a stack: kept, merged and validated before anything is made."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from worker.errors import SettingsError
from worker.settings import PREFIX, Settings
from worker.settings_help import load, parse_assignment

PARAMETER = "WorkerSettings"
# The template sets these variables itself, so a second value would contradict the first.
SET_BY_TEMPLATE = {
    "WORKER_QUEUE": "the stack has its own queue",
    "WORKER_MODEL": "use --model",
    "WORKER_MODEL_SHA256": "the parameter ModelSha256 sets it",
    "WORKER_IDLE_SECONDS": "the parameter IdleSeconds sets it",
    "WORKER_EVENT_BUS": "the parameter Events sets it",
    "WORKER_STACK": "the stack has its own name",
}


def merge(text: str, assignments: Sequence[str], unset: Sequence[str]) -> str:
    """Return the parameter's text with settings set and unset.

    `text` is its value so far: NAME=VALUE, separated by spaces and quoted as in a shell. Raises
    SettingsError for a setting that does not exist, or that the template sets itself.
    """
    settings = parse(text)
    for assignment in assignments:
        name, value = _parse("--set", assignment, assignment)
        settings[name] = value
    for name in unset:
        variable = PREFIX + name.upper().removeprefix(PREFIX)
        if variable not in settings:  # one that an older version knew may still be unset
            _parse("--unset", name, f"{name}=")
        settings.pop(variable, None)
    return format_settings(settings)


def _parse(option: str, given: str, assignment: str) -> tuple[str, str]:
    try:
        name, value = parse_assignment(assignment)
    except SettingsError as error:
        raise SettingsError(f"{option} {given}: {error}") from None
    if name in SET_BY_TEMPLATE:
        raise SettingsError(f"{option} {given}: {SET_BY_TEMPLATE[name]}")
    return name, value


def parse(text: str) -> dict[str, str]:
    """Return each variable of the parameter's text with its value; raises SettingsError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"{PARAMETER}: {error} (quotes are those of a shell)") from None
    pairs = [word.partition("=") for word in words]
    return {PREFIX + name.upper().removeprefix(PREFIX): value for name, _, value in pairs}


def format_settings(settings: Mapping[str, str]) -> str:
    """Return the parameter's text for these variables."""
    return " ".join(
        f"{name.removeprefix(PREFIX)}={shlex.quote(value)}" for name, value in settings.items()
    )


def validate(parameters: Mapping[str, str]) -> None:
    """Raise SettingsError if a worker would refuse the settings of a stack with these values."""
    load_worker(parameters).lease_times(int(parameters["VisibilitySeconds"]))


def load_worker(parameters: Mapping[str, str]) -> Settings:
    """Return the settings of a worker of a stack with these values; raises SettingsError."""
    settings = {
        "WORKER_QUEUE": "jobs",
        "WORKER_MODEL": parameters["Model"],
        "WORKER_MODEL_SHA256": parameters.get("ModelSha256", ""),
        "WORKER_IDLE_SECONDS": parameters.get("IdleSeconds", ""),
        "WORKER_SETTINGS": parameters.get(PARAMETER, ""),
    }
    with _environment(settings):
        return load()


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Hold exactly these settings of a worker in the environment, as a worker's task does."""
    before = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    _replace(before, settings)
    try:
        yield
    finally:
        now = [name for name in os.environ if name.startswith(PREFIX)]
        _replace(now, before)


def _replace(names: Sequence[str] | Mapping[str, str], settings: Mapping[str, str]) -> None:
    for name in names:
        del os.environ[name]
    os.environ.update(settings)
