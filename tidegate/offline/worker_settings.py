"""A worker's settings for work on this machine; nothing heavy, so mistakes are told at once."""

import os
from collections.abc import Sequence
from pathlib import Path

from worker.errors import ModelError, SettingsError
from worker.settings import Settings
from worker.settings_help import load, parse_assignment

NO_QUEUE = "none"  # a worker needs a queue, and nothing here does


def read_settings(model: Path, predictor: str | None, assignments: Sequence[str]) -> Settings:
    """Read a worker's settings: `NAME=VALUE` before the environment.

    The prefix WORKER_ may be left out. Raises SettingsError, and ModelError if there is no model.
    """
    if not model.exists():
        raise ModelError(f"there is no file {model}")
    given = {"WORKER_QUEUE": NO_QUEUE}
    for assignment in assignments:
        try:
            name, value = parse_assignment(assignment)
        except SettingsError as error:
            raise SettingsError(f"--set {assignment}: {error}") from None
        given[name] = value
    given["WORKER_MODEL"] = str(model)
    if predictor is not None:
        given["WORKER_PREDICTOR"] = predictor
    os.environ.update(given)
    return load()
