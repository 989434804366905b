"""A worker's settings for work on this machine; nothing heavy, so mistakes are told at once."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from worker.errors import ModelError, SettingsError
from worker.settings import PREFIX, Settings
from worker.settings_help import load, variable

NO_QUEUE = "none"  # a worker needs a queue, and nothing here does


def read_settings(model: Path, predictor: str | None, assignments: Sequence[str]) -> Settings:
    """Read a worker's settings: `NAME=VALUE` before the environment.

    The prefix WORKER_ may be left out. Raises SettingsError, and ModelError if there is no model.
    """
    if not model.exists():
        raise ModelError(f"there is no file {model}")
    given = {"WORKER_QUEUE": NO_QUEUE}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        name = name.strip().upper()
        name = name if name.startswith(PREFIX) else PREFIX + name
        if not equals:
            raise SettingsError(f"--set {assignment}: must be NAME=VALUE")
        if name.removeprefix(PREFIX).lower() not in Settings.model_fields:
            raise SettingsError(f"--set {assignment}: there is no {name}{_nearest(name)}")
        given[name] = value
    given["WORKER_MODEL"] = str(model)
    if predictor is not None:
        given["WORKER_PREDICTOR"] = predictor
    os.environ.update(given)
    return load()


def _nearest(name: str) -> str:
    known = [variable(field) for field in Settings.model_fields]
    found = get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
