"""The options of a job: the worker's own settings, changed by those that its message has."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache

from worker.errors import SettingsError, SettingsRefused
from worker.interfaces import ScoreOptions
from worker.job import Job

REMEMBERED = 32  # settings of messages: all messages of a run have the same ones

ChangeSettings = Callable[[Mapping[str, object]], ScoreOptions]  # raises SettingsError


class JobOptions:
    """Gives each job its options; `change` makes them from the settings of a message."""

    def __init__(self, own: ScoreOptions, change: ChangeSettings) -> None:
        self._own = own
        self._changed = lru_cache(REMEMBERED)(lambda text: change(json.loads(text)))

    def of(self, job: Job) -> ScoreOptions:
        """Return how a job's file is read and what its output looks like.

        Raises SettingsRefused if the job's message sets what it may not set, or a wrong value.
        """
        if not job.settings:
            return self._own
        try:
            return self._changed(_text(job))
        except SettingsError as error:
            problems = str(error).replace("\n", "; ")
            raise SettingsRefused(f"the message's settings are refused: {problems}") from None


def settings_sha256(job: Job) -> str | None:
    """Return the digest of the settings that a job's message has; None if it has none."""
    return hashlib.sha256(_text(job).encode()).hexdigest() if job.settings else None


def _text(job: Job) -> str:
    return json.dumps(job.settings, sort_keys=True)
